"""How a transform moves and deforms a head, whichever way it is parametrised."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import volume_of
from CSAFusionLib.geometry.resampling import coarsen
from CSAFusionLib.geometry.transform_algebra import linear_part, map_points
from CSAFusionLib.registration.preparation import head_points

_POINTS = 500
_SPACING_MM = 4.0

# A spline bends over centimetres; a field of displacements may fold between any two of its nodes, which mostly are the
# fixed voxels. More nodes than these would only take memory.
_SPLINE_SPACING_MM = 2.0
_MOST_NODES = 4_000_000


def describe_transform(fixed: sitk.Image, transform: sitk.Transform) -> dict[str, float]:
    """Say what a transform does to the head in the fixed image.

    transform: from fixed to moving points, LPS mm.
    Returns ``rotation_degrees`` and ``shift_mm`` of the head, ``moved_mm`` (how far its points go on average),
    ``scale_min`` and ``scale_max`` (of its closest affine transform, along any direction), and ``jacobian_min`` and
    ``jacobian_max``: volume change at a point, 1 for none, 0 or less where space folds or is mirrored.
    """
    grid = coarsen(fixed, _SPACING_MM)
    points = head_points(grid, _POINTS)
    mapped = map_points(transform, points)
    matrix = linear_part(transform)[0] if transform.IsLinear() else _closest_matrix(points, mapped)
    jacobian = np.array([np.linalg.det(matrix)]) if transform.IsLinear() else _jacobian(fixed, transform)
    left, scales, right = np.linalg.svd(matrix)
    return {
        "rotation_degrees": _angle(left @ right),
        "shift_mm": float(np.linalg.norm(mapped.mean(axis=0) - points.mean(axis=0))),
        "moved_mm": float(np.linalg.norm(mapped - points, axis=1).mean()),
        "scale_min": float(scales.min()),
        "scale_max": float(scales.max()),
        "jacobian_min": float(jacobian.min()),
        "jacobian_max": float(jacobian.max()),
    }


def _closest_matrix(points: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """The (3, 3) matrix that takes the points, from their mean, nearest to where they are mapped."""
    return np.linalg.lstsq(points - points.mean(axis=0), mapped - mapped.mean(axis=0), rcond=None)[0].T


def _angle(turn: np.ndarray) -> float:
    """The angle of an orthogonal matrix in degrees; of a mirroring one, the angle of the rotation left in it."""
    cosine = (np.trace(turn * np.sign(np.linalg.det(turn))) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _jacobian(fixed: sitk.Image, transform: sitk.Transform) -> np.ndarray:
    """Volume change at the inner nodes of a grid over the fixed image, (Z, Y, X)."""
    spacing = 0.0 if _has_field(transform) else _SPLINE_SPACING_MM
    grid = coarsen(fixed, max(spacing, (volume_of(fixed) / _MOST_NODES) ** (1 / 3)))
    field = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, grid.GetSize(), grid.GetOrigin(), grid.GetSpacing(), grid.GetDirection()
    )
    # Differences at the border are one-sided there and say nothing of the transform.
    inner = tuple(slice(1, -1) if length > 2 else slice(None) for length in grid.GetSize()[::-1])
    return sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(_along_the_axes(field)))[inner]


def _has_field(transform: sitk.Transform) -> bool:
    """Whether any part of a transform is a field of displacements."""
    if transform.GetTransformEnum() == sitk.sitkComposite:
        parts = sitk.CompositeTransform(transform)
        return any(_has_field(parts.GetNthTransform(number)) for number in range(parts.GetNumberOfTransforms()))
    return transform.GetTransformEnum() == sitk.sitkDisplacementField


def _along_the_axes(field: sitk.Image) -> sitk.Image:
    """The field in the frame of its own axes: ITK differentiates along the axes but takes vectors and axes for LPS.

    The determinant is the same in both frames.
    """
    axes = np.reshape(field.GetDirection(), (3, 3))
    turned = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(field) @ axes, isVector=True)
    turned.SetSpacing(field.GetSpacing())
    return turned
