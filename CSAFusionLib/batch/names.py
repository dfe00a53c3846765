"""Names of cases that come from names of files."""

from __future__ import annotations

import re
from pathlib import Path

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img.gz", ".img", ".dcm", ".gz")
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*]')


def stem_of(path: Path) -> str:
    """The name of a volume's file without its ending, or of a folder, made fit to be a case's name."""
    name = path.name
    for ending in _ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            name = name[: -len(ending)]
            break
    return _NOT_IN_NAMES.sub("_", name).strip(" .-") or "case"
