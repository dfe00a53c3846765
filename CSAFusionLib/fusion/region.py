"""Where to fuse, as a mask on the fixed volume's grid."""

from __future__ import annotations

import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.volumes.volume import Volume


def region_of(mask: Volume, fixed: Volume) -> sitk.Image:
    """Return where a mask is not 0, as uint8 1, on the fixed volume's grid.

    Raises InputError for a mask in colour or on another grid, and for one that is 0 everywhere.
    """
    image = mask.image
    if image.GetNumberOfComponentsPerPixel() != 1 or not same_grid(image, fixed.image):
        raise InputError("The region does not lie on the fixed volume's grid; give one number for each of its voxels.")
    region = image != 0
    if not sitk.GetArrayViewFromImage(region).any():
        raise InputError("The region is 0 everywhere, so nothing would be fused; mark where to fuse.")
    return region
