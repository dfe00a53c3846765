"""Undo a transform: exactly where it is linear, by iteration on a grid where it is not."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import points_of, voxel_axes
from CSAFusionLib.geometry.transform_algebra import affine_of, as_affine, inverse, map_points

# Between its nodes the inverse of a field is not linear: it takes two of them where the field has one, down to 1 mm,
# over which deformations that registration finds are smooth.
_NODES_A_VOXEL = 2
_FINEST_MM = 1.0
_MOST_NODES = 4_000_000
# What lies outside the domain by less than this share of it is still undone.
_MARGIN = 0.1
_ITERATIONS = 60
_TOLERANCE_MM = 1e-3

_LARGEST_ERROR_MM = 0.5
_CHECKED_POINTS = 500


def inverse_of(transform: sitk.Transform, domain: sitk.Image) -> tuple[sitk.Transform, float]:
    """Return the inverse of a transform, and how far off it is at most, in mm.

    Args:
        domain: an image on whose grid the transform takes its points; the inverse of a deformation holds only there.

    Raises:
        InputError: the transform folds space, so that it has no inverse.
    """
    if transform.IsLinear():
        return inverse(as_affine(transform)), 0.0
    grid = _grid_over(domain)
    points = _some_points(domain)
    linear = _best_linear(points, map_points(transform, points))
    back = linear.GetInverse()
    # The transform is the linear part after a deformation of the domain onto itself.
    residual = sitk.TransformToDisplacementField(
        sitk.CompositeTransform([back, transform]),
        sitk.sitkVectorFloat64,
        grid.GetSize(),
        grid.GetOrigin(),
        grid.GetSpacing(),
        grid.GetDirection(),
    )
    field = sitk.InvertDisplacementField(
        residual,
        maximumNumberOfIterations=_ITERATIONS,
        maxErrorToleranceThreshold=_TOLERANCE_MM,
        meanErrorToleranceThreshold=_TOLERANCE_MM / 10,
        enforceBoundaryCondition=False,
    )
    found = sitk.CompositeTransform([sitk.DisplacementFieldTransform(field), back])
    error = float(np.linalg.norm(map_points(found, map_points(transform, points)) - points, axis=1).max())
    if not error <= _LARGEST_ERROR_MM:
        raise InputError(
            f"The transform cannot be undone: its inverse is {error:.1f} mm off where it is checked, since it folds "
            f"space or moves too much; give the inverse that the registration wrote."
        )
    return found, error


def _grid_over(domain: sitk.Image) -> sitk.Image:
    """An empty grid that covers an image and a margin around it."""
    size, spacing = np.array(domain.GetSize(), float), np.array(domain.GetSpacing())
    extent = size * spacing * (1 + 2 * _MARGIN)
    step = np.maximum(spacing / _NODES_A_VOXEL, np.minimum(spacing, _FINEST_MM))
    step *= max(1.0, float(np.prod(extent / step) / _MOST_NODES) ** (1 / 3))
    nodes = np.ceil(extent / step).astype(int) + 1
    grid = sitk.Image(nodes.tolist(), sitk.sitkUInt8)
    grid.SetSpacing(step.tolist())
    grid.SetDirection(domain.GetDirection())
    middle = np.array(domain.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist()))
    axes = voxel_axes(grid)
    grid.SetOrigin((middle - axes @ ((nodes - 1) / 2)).tolist())
    return grid


def _some_points(domain: sitk.Image) -> np.ndarray:
    """Points spread at random over an image, (N, 3) in LPS mm, always the same."""
    indices = np.random.default_rng(0).uniform(0, 1, (_CHECKED_POINTS, 3)) * (np.array(domain.GetSize()[::-1]) - 1)
    return points_of(domain, indices)


def _best_linear(points: np.ndarray, mapped: np.ndarray) -> sitk.AffineTransform:
    """The affine transform that comes nearest (least squares) to taking points (N, 3) to where they are mapped."""
    ones = np.ones((len(points), 1))
    found, *_ = np.linalg.lstsq(np.hstack([points, ones]), mapped, rcond=None)
    return affine_of(found.T)
