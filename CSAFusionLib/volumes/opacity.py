"""Colours with an opacity beside them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

_RGBA = (sitk.sitkVectorUInt8, sitk.sitkVectorUInt16)


def lay_on_black(image: sitk.Image) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return an RGBA image of 8 or 16 bits as RGB, transparent parts laid on black, and a note; any other as it is."""
    if image.GetNumberOfComponentsPerPixel() != 4 or image.GetPixelID() not in _RGBA:
        return image, ()
    voxels = sitk.GetArrayViewFromImage(image)
    white = np.iinfo(voxels.dtype).max
    if (voxels[..., 3] == white).all():
        colours = voxels[..., :3].copy()
    else:
        colours = (voxels[..., :3] * (voxels[..., 3:] / np.float32(white))).round().astype(voxels.dtype)
    laid = sitk.GetImageFromArray(colours, isVector=True)
    laid.CopyInformation(image)
    return laid, ("has four numbers in each voxel, which were taken for RGB and opacity, and laid on black.",)
