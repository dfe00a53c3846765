"""Read and write 2-D pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError


def read_picture(path: str | Path) -> sitk.Image:
    """Read a 2-D picture, grey (one component) or RGB (three).

    Raises InputError when the file is missing, unreadable or not a 2-D picture.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"'{path}' does not exist; check the path.")
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"'{path}' cannot be read as a picture; give a PNG file.") from error


def write_picture(array: np.ndarray, path: str | Path) -> None:
    """Write a PNG.

    array: uint8, (H, W) grey or (H, W, 3) RGB.
    """
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=array.ndim == 3), str(path))
