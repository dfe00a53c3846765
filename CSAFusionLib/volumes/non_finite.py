"""Voxels that are no numbers: common outside the anatomy in real files, and no reason to refuse one."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def fill_non_finite(image: sitk.Image) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return an image whose NaN and infinite voxels have its lowest finite value, and a note that counts them.

    The image itself is returned where there are none, where none is finite, and where it is not scalar.
    """
    voxels = sitk.GetArrayViewFromImage(image)
    if voxels.dtype.kind != "f" or image.GetNumberOfComponentsPerPixel() > 1:
        return image, ()
    finite = np.isfinite(voxels)
    missing = voxels.size - int(np.count_nonzero(finite))
    if missing in (0, voxels.size):
        return image, ()
    background = voxels.min(where=finite, initial=np.inf)
    filled = sitk.GetImageFromArray(np.where(finite, voxels, background))
    filled.CopyInformation(image)
    note = (
        f"has {missing} voxels that are not finite (NaN or infinite, {missing / voxels.size:.2g} of all); they were "
        f"filled with its lowest value, {background:g}."
    )
    return filled, (note,)
