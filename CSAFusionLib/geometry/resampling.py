"""Bring a moving volume onto the reference grid, and know where it has something to say."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.planes import Plane, from_slices, slice_spacing, to_slices
from CSAFusionLib.volumes.volume import Volume

# Half a voxel beyond the last centre is the border of the field of view; a voxel on it must not be lost to rounding.
_BORDER_TOLERANCE_VOXELS = 1e-3


def resample_to_grid(
    moving: sitk.Image, reference: sitk.Image, transform: sitk.Transform, default: float = 0.0
) -> sitk.Image:
    """Resample the moving image linearly at the voxel centres of the reference.

    transform: takes points of the reference to points of the moving image, LPS mm.
    default: value outside the moving field of view.
    Returns float32, or vector float32 for RGB, on the reference grid. In the half voxel between the last centre and
    the border of the field of view the nearest value is taken, so nothing is darkened there.
    """
    pixel_type = sitk.sitkFloat32 if moving.GetNumberOfComponentsPerPixel() == 1 else sitk.sitkVectorFloat32
    extended = sitk.Resample(moving, reference, transform, sitk.sitkLinear, default, pixel_type, True)
    inside = field_of_view(moving, reference, transform)
    return _fill_outside(extended, inside, default)


def field_of_view(moving: sitk.Image, reference: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    """Mark with 1 (uint8) the reference voxels whose centre lies in the moving field of view, whole voxels counted.

    transform: takes points of the reference to points of the moving image, LPS mm.
    """
    return sitk.Resample(_one_voxel_as_large_as(moving), reference, transform, sitk.sitkNearestNeighbor, 0)


def coverage(
    moving: sitk.Image,
    reference: sitk.Image,
    transform: sitk.Transform,
    plane: Plane = Plane.AXIAL,
    feather_mm: float = 5.0,
) -> sitk.Image:
    """Say how much each reference voxel may take from the moving image, float32 in [0, 1] on the reference grid.

    1 inside the moving field of view, falling smoothly to 0 over the last ``feather_mm`` before its border, 0 outside.
    The border is looked for within each slice of ``plane``, so the end slices of a thin slab stay whole; the border of
    the reference itself is none, so a field of view that holds the whole reference gives 1 everywhere.

    transform: takes points of the reference to points of the moving image, LPS mm.
    """
    inside = to_slices(field_of_view(moving, reference, transform), plane)
    pixel = slice_spacing(reference, plane)[1:]
    weights = np.stack([_feather(mask, pixel, feather_mm) for mask in inside])
    return from_slices(weights, reference, plane)


def check_overlap(fixed: Volume, moving: Volume, transform: sitk.Transform) -> float:
    """Return the share of the fixed volume that lies in the moving field of view, in (0, 1].

    transform: takes points of the fixed volume to points of the moving volume, LPS mm.
    Raises InputError when no voxel does.
    """
    fraction = float(sitk.GetArrayFromImage(field_of_view(moving.image, fixed.image, transform)).mean())
    if fraction == 0:
        raise InputError(
            f"'{moving.name}' does not overlap '{fixed.name}' anywhere; register them, or check that both "
            f"headers place the same anatomy in the same frame."
        )
    return fraction


def _one_voxel_as_large_as(image: sitk.Image) -> sitk.Image:
    size = np.array(image.GetSize(), float)
    voxel = sitk.Image([1, 1, 1], sitk.sitkUInt8) + 1
    voxel.SetDirection(image.GetDirection())
    voxel.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist()))
    voxel.SetSpacing(((size + 2 * _BORDER_TOLERANCE_VOXELS) * image.GetSpacing()).tolist())
    return voxel


def _fill_outside(image: sitk.Image, inside: sitk.Image, default: float) -> sitk.Image:
    return sitk.Mask(image, inside, default)


def _feather(inside: np.ndarray, pixel: tuple[float, ...], feather_mm: float) -> np.ndarray:
    """Weights of one slice (H, W) from its mask (H, W); pixel: sides (row, column) in mm."""
    if inside.all() or not inside.any() or feather_mm <= 0:
        return inside.astype(np.float32)
    mask = sitk.GetImageFromArray(inside)
    mask.SetSpacing([pixel[1], pixel[0]])
    # Distance to the nearest centre outside.
    distance = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(mask == 0, squaredDistance=False, useImageSpacing=True)
    )
    ramp = np.clip((distance - min(pixel) / 2) / feather_mm, 0, 1)
    return (inside * ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
