"""Tell a cut-off NIfTI file from a whole one: its reader fills what is missing with zeros and says nothing."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import SimpleITK as sitk


def is_whole(path: Path, header: sitk.ImageFileReader) -> bool:
    """Tell whether a .nii or .nii.gz file is as long as its header says.

    header: a reader that has read the information of the file.
    """
    sizes = [int(header.GetMetaData(f"dim[{axis}]")) for axis in range(1, 8)]
    needed = float(header.GetMetaData("vox_offset")) + math.prod(sizes) * int(header.GetMetaData("bitpix")) // 8
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            file.seek(int(needed) - 1)
            # To the very end, where a compressed file keeps its checksum.
            return len(file.read()) > 0
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False
