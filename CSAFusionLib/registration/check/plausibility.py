"""How a transform moves and deforms a head, whichever way it is parametrised."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.registration.preparation import coarsen
from CSAFusionLib.registration.transforms import head_points, map_points

_POINTS = 500
_FIELD_SPACING_MM = 4.0


def describe_transform(fixed: sitk.Image, transform: sitk.Transform) -> dict[str, float]:
    """Say what a transform does to the head in the fixed image.

    transform: from fixed to moving points, LPS mm.
    Returns ``rotation_degrees`` and ``shift_mm`` of the head, ``scale_min`` and ``scale_max`` (of its closest affine
    transform, along any direction), and ``jacobian_min`` and ``jacobian_max``: volume change at a point, 1 for none,
    0 or less where space folds or is mirrored.
    """
    points = head_points(coarsen(fixed, _FIELD_SPACING_MM), _POINTS)
    mapped = map_points(transform, points)
    left, scales, right = np.linalg.svd(_closest_matrix(points, mapped))
    jacobian = _jacobian(fixed, transform)
    return {
        "rotation_degrees": _angle(left @ right),
        "shift_mm": float(np.linalg.norm(mapped.mean(axis=0) - points.mean(axis=0))),
        "scale_min": float(scales.min()),
        "scale_max": float(scales.max()),
        "jacobian_min": float(jacobian.min()),
        "jacobian_max": float(jacobian.max()),
    }


def _closest_matrix(points: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """The (3, 3) matrix that takes the points, from their mean, nearest to where they are mapped."""
    solution = np.linalg.lstsq(points - points.mean(axis=0), mapped - mapped.mean(axis=0), rcond=None)[0]
    return solution.T


def _angle(turn: np.ndarray) -> float:
    """The angle of an orthogonal matrix in degrees; of a mirroring one, the angle of the rotation left in it."""
    cosine = (np.trace(turn * np.sign(np.linalg.det(turn))) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _jacobian(fixed: sitk.Image, transform: sitk.Transform) -> np.ndarray:
    grid = coarsen(fixed, _FIELD_SPACING_MM)
    if transform.IsLinear() or min(grid.GetSize()) < 3:
        origin, *tips = map_points(transform, np.vstack([np.zeros(3), np.eye(3)]))
        return np.array([np.linalg.det(np.array(tips) - origin)])
    field = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, grid.GetSize(), grid.GetOrigin(), grid.GetSpacing(), grid.GetDirection()
    )
    # Differences at the border are one-sided there and say nothing of the transform.
    inner = (slice(1, -1),) * 3
    return sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field))[inner]
