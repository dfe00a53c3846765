"""What a comparison found, for readers: the same tables as Markdown and, with plots and images, as one HTML page."""
