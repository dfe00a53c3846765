"""Files on disk: which names can be used, temporary folders that outlive nobody, and outputs that are always whole."""
