"""The report of a comparison: the same tables as Markdown and, with plots and images, as one HTML page."""
