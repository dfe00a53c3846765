"""Files on disk: output paths, temporary folders, and atomic writes."""
