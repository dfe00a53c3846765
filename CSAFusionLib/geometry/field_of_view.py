"""The moving image resampled on the reference grid, and its field of view there: mask, feathered border, overlap."""

from __future__ import annotations

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import lowest_value
from CSAFusionLib.geometry.planes import Plane, from_slices, slice_spacing, slices_view
from CSAFusionLib.volumes.volume import Volume

# Half a voxel beyond the last centre is the border of the field of view; a voxel on it must not be lost to rounding.
_BORDER_TOLERANCE_VOXELS = 1e-3


def resample_to_grid(
    moving: sitk.Image,
    reference: sitk.Image,
    transform: sitk.Transform,
    default: float = 0.0,
    inside: sitk.Image | None = None,
) -> sitk.Image:
    """Resample the moving image linearly at the voxel centres of the reference.

    transform: takes points of the reference to points of the moving image, LPS mm.
    default: value outside the moving field of view.
    inside: the result of :func:`field_of_view` for the three, if it is known. Returns float32, or vector float32 for
    RGB, on the reference grid. In the half voxel between the last centre and the border of the field of view the
    nearest value is taken, so nothing is darkened there.
    """
    if leaves_voxels_alone(moving, reference, transform):
        return sitk.Cast(moving, _float_type(moving))
    extended = sitk.Resample(moving, reference, transform, sitk.sitkLinear, default, _float_type(moving), True)
    known = field_of_view(moving, reference, transform) if inside is None else inside
    return sitk.Mask(extended, known, default)


def leaves_voxels_alone(moving: sitk.Image, reference: sitk.Image, transform: sitk.Transform) -> bool:
    """Tell whether each voxel centre of the reference is exactly one of the moving image, and both cover the same."""

    def geometry(image: sitk.Image) -> tuple[tuple[float, ...], ...]:
        return image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()

    if geometry(moving) != geometry(reference) or not transform.IsLinear():
        return False
    corners = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return all(transform.TransformPoint(corner) == corner for corner in corners)


def brought(fixed: Volume, moving: Volume, transform: sitk.Transform) -> tuple[sitk.Image, sitk.Image]:
    """Return the moving image on the fixed grid, and its field of view there from :func:`field_of_view`.

    An image that lies on the grid already is returned unchanged: a copy would only take memory.

    transform: takes points of the fixed volume to points of the moving volume, LPS mm.
    Raises InputError where the two do not overlap.
    """
    inside = field_of_view(moving.image, fixed.image, transform)
    overlap(fixed, moving, inside)
    if leaves_voxels_alone(moving.image, fixed.image, transform):
        return moving.image, inside
    return resample_to_grid(moving.image, fixed.image, transform, lowest_value(moving.image), inside), inside


def field_of_view(moving: sitk.Image, reference: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    """Mark with 1 (uint8) the reference voxels whose centre lies in the moving field of view, whole voxels counted.

    transform: takes points of the reference to points of the moving image, LPS mm.
    """
    if leaves_voxels_alone(moving, reference, transform):
        everywhere = sitk.Image(reference.GetSize(), sitk.sitkUInt8) + 1
        everywhere.CopyInformation(reference)
        return everywhere
    return sitk.Resample(_one_voxel_as_large_as(moving), reference, transform, sitk.sitkNearestNeighbor, 0)


def coverage(
    moving: sitk.Image,
    reference: sitk.Image,
    transform: sitk.Transform,
    plane: Plane = Plane.AXIAL,
    feather_mm: float = 5.0,
) -> sitk.Image:
    """Return how much each reference voxel may take from the moving image, float32 in [0, 1] on the reference grid.

    1 inside the moving field of view, falling smoothly to 0 over the last ``feather_mm`` before its border, 0 outside.
    The border is sought within each slice of ``plane``, so the end slices of a thin slab stay whole. The border of the
    reference itself does not count, so a field of view that holds the whole reference gives 1 everywhere.

    transform: takes points of the reference to points of the moving image, LPS mm.
    """
    inside = field_of_view(moving, reference, transform)
    return from_slices(coverage_slices(inside, plane, feather_mm), reference, plane)


def coverage_slices(inside: sitk.Image, plane: Plane, feather_mm: float = 5.0) -> np.ndarray:
    """Return the same as slices (S, H, W), read-only, from the result of :func:`field_of_view`."""
    masks = slices_view(inside, plane)
    if masks.all():
        return np.broadcast_to(np.float32(1), masks.shape)
    pixel = slice_spacing(inside, plane)[1:]
    weights = np.empty(masks.shape, np.float32)
    for into, mask in zip(weights, masks, strict=True):
        into[...] = _feather(np.ascontiguousarray(mask), pixel, feather_mm)
    return weights


def check_overlap(fixed: Volume, moving: Volume, transform: sitk.Transform) -> float:
    """Return the share of the fixed volume that lies in the moving field of view, in (0, 1].

    transform: takes points of the fixed volume to points of the moving volume, LPS mm.
    Raises InputError when no voxel does.
    """
    inside = field_of_view(moving.image, fixed.image, transform)
    return overlap(fixed, moving, inside)


def overlap(fixed: Volume, moving: Volume, inside: sitk.Image) -> float:
    """Return the same share, from the result of :func:`field_of_view` for the two."""
    mask = sitk.GetArrayViewFromImage(inside)
    fraction = np.count_nonzero(mask) / mask.size
    if fraction == 0:
        raise InputError(
            f"'{moving.name}' does not overlap '{fixed.name}' anywhere; register them, or check that both "
            f"headers place the same anatomy in the same frame."
        )
    return fraction


def _float_type(image: sitk.Image) -> int:
    return int(sitk.sitkFloat32 if image.GetNumberOfComponentsPerPixel() == 1 else sitk.sitkVectorFloat32)


def _one_voxel_as_large_as(image: sitk.Image) -> sitk.Image:
    size = np.array(image.GetSize(), float)
    voxel = sitk.Image([1, 1, 1], sitk.sitkUInt8) + 1
    voxel.SetDirection(image.GetDirection())
    voxel.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist()))
    voxel.SetSpacing(((size + 2 * _BORDER_TOLERANCE_VOXELS) * image.GetSpacing()).tolist())
    return voxel


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
