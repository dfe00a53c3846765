"""Refuse volumes that cannot be fused, saying what is wrong and what to do."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import impossible_scale
from CSAFusionLib.volumes.volume import Volume

_COLOURS = (sitk.sitkVectorUInt8, sitk.sitkVectorUInt16)


def check_volume(volume: Volume) -> None:
    """Check that a volume can be fused: 3-D, scalar or RGB, finite, not constant, with a usable geometry.

    Raises InputError with one sentence that names the volume, what is wrong and what to do.
    """
    check_grid(volume)
    _check_values(volume)


def check_grid(volume: Volume) -> None:
    """Check that a volume has a usable grid and number type, whatever its voxels hold, as a label map may.

    Raises InputError as :func:`check_volume` does.
    """
    _check_dimension(volume)
    _check_components(volume)
    _check_geometry(volume)


def _check_dimension(volume: Volume) -> None:
    size = volume.image.GetSize()
    if 0 in size:
        raise InputError(f"'{volume.name}' is empty; give a volume that has voxels.")
    if len(size) == 4:
        raise InputError(
            f"'{volume.name}' is a series of {size[3]} volumes (4-D); extract one 3-D volume from it first."
        )
    if len(size) != 3:
        raise InputError(f"'{volume.name}' is a {len(size)}-D image; give a 3-D volume.")


def _check_components(volume: Volume) -> None:
    components = volume.image.GetNumberOfComponentsPerPixel()
    if components not in (1, 3):
        raise InputError(
            f"'{volume.name}' has {components} components in each voxel; give a scalar volume "
            f"or an RGB one (3 components)."
        )
    if components == 3 and volume.image.GetPixelID() not in _COLOURS:
        raise InputError(
            f"'{volume.name}' has three numbers in each voxel that are no colours, as a displacement field has; give a "
            f"scalar volume, or colours as 8- or 16-bit unsigned RGB."
        )
    if "complex" in volume.image.GetPixelIDTypeAsString():
        raise InputError(f"'{volume.name}' holds complex numbers; give its magnitude.")


def _check_geometry(volume: Volume) -> None:
    header = np.array(volume.image.GetSpacing() + volume.image.GetOrigin() + volume.image.GetDirection())
    direction = header[-9:].reshape(3, 3)
    if not np.isfinite(header).all() or min(volume.image.GetSpacing()) <= 0 or abs(np.linalg.det(direction)) < 0.5:
        raise InputError(
            f"'{volume.name}' has a header whose spacing, origin or axis directions make no geometry; correct the "
            f"header or export the volume again."
        )
    why = impossible_scale(volume.image)
    if why:
        raise InputError(f"'{volume.name}' {why}")


def _check_values(volume: Volume) -> None:
    voxels = sitk.GetArrayViewFromImage(volume.image)
    if np.issubdtype(voxels.dtype, np.floating):
        bad = int(voxels.size - np.count_nonzero(np.isfinite(voxels)))
        if bad:
            raise InputError(
                f"'{volume.name}' has {bad} voxels that are not finite (NaN or infinite); replace them, "
                f"for example by 0."
            )
    if voxels.min() == voxels.max():
        raise InputError(
            f"'{volume.name}' is constant (every voxel is {voxels.min():g}); give a volume that shows something."
        )
