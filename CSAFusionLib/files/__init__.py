"""Files on disk: paths of outputs, temporary folders, and atomic writes."""
