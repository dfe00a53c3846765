"""Refuse volumes that cannot be fused, and report what a user must know about the others."""

from __future__ import annotations

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.volume import Volume

# Clinical voxels are 0.1 to 10 mm; micro-CT reaches 0.001 mm, and the slices of a thin slab may be far apart.
_USUAL_MM = (0.05, 50.0)
# A nanometre; and longer than any scanner table.
_LEAST_MM = 1e-6
_LARGEST_FIELD_MM = 10_000.0


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


def notes_of(fixed: Volume, moving: Volume) -> list[str]:
    """Return the notes of both volumes as whole sentences, and a question where one is of an unusual size."""
    roles = {"fixed": fixed, "moving": moving}
    return [f"The {role} volume {note}" for role, volume in roles.items() for note in _all_notes(volume)]


def impossible_scale(image: sitk.Image) -> str | None:
    """Return why an image cannot be that small or large, worded to follow its name; None if it can."""
    field = np.multiply(image.GetSize(), image.GetSpacing())
    if min(image.GetSpacing()) < _LEAST_MM or field.max() > _LARGEST_FIELD_MM:
        sides = " x ".join(f"{side:g}" for side in field)
        return (
            f"would be {sides} mm in size, which no scanned object is; correct the spacing in its header, which "
            "is in mm."
        )
    return None


def question_of_scale(image: sitk.Image) -> str | None:
    """Return a question about voxels of an unusual size, worded to follow "The fixed volume"; None for usual ones.

    Such a volume is processed like any other: micro-CT has voxels of 0.02 mm.
    """
    spacing = image.GetSpacing()
    if _USUAL_MM[0] <= min(spacing) and max(spacing) <= _USUAL_MM[1]:
        return None
    sides = " x ".join(f"{side:g}" for side in spacing)
    return (
        f"has voxels of {sides} mm: is its header in a unit other than millimetres, such as metres? Registration and "
        "its quality assessment are made for the size of a head and mean little for any other."
    )


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
    if components == 3 and volume.image.GetPixelID() not in (sitk.sitkVectorUInt8, sitk.sitkVectorUInt16):
        raise InputError(
            f"'{volume.name}' has three numbers in each voxel that are not colours, such as displacements; give a "
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


def _all_notes(volume: Volume) -> list[str]:
    question = question_of_scale(volume.image)
    return [*volume.notes, *([question] if question else [])]
