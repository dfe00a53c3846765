"""A smooth deformation through landmarks that can always be undone."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

# Control points this far apart follow the shape of a lobe, not the noise of a match.
_CELL_MM = 30.0

# With no control point shifted further than this share of a cell along any axis, a cubic B-spline deformation in 3-D is
# one to one and its Jacobian determinant above 0 (Choi and Lee, Injectivity conditions of 2D and 3D uniform cubic
# B-spline functions, 2000). No point then moves further either.
_LARGEST_SHIFT = 1 / 2.48

# Unmoved control points on each side take the deformation to nothing before its border.
_STILL = 3

_ROUGHNESS_WEIGHT = 0.1
_ROUNDS = 6


def smooth_deformation(points: np.ndarray, shifts: np.ndarray, *, tolerance_mm: float) -> sitk.BSplineTransform:
    """Fit a deformation, which takes points x to x + shift, to many uncertain shifts.

    points, shifts: (N, 3) in mm.
    tolerance_mm: a shift this far from the deformation counts half, one further away still less (Cauchy's weights).

    The control points have the least weighted squared error plus a multiple of their squared second differences
    (Eilers and Marx, Flexible smoothing with B-splines and penalties, 1996), within the bound that keeps the
    deformation invertible. Away from the points it vanishes.
    """
    spline, free = _still_spline(points)
    basis = _basis(points, spline, free)
    roughness = _ROUGHNESS_WEIGHT * _roughness(free)
    coefficients = np.zeros((basis.shape[1], 3))
    for _ in range(_ROUNDS):
        misfits = np.linalg.norm(basis @ coefficients - shifts, axis=1)
        weighted = basis / (1 + (misfits / tolerance_mm) ** 2)[:, None]
        coefficients = np.linalg.solve(weighted.T @ basis + roughness, weighted.T @ shifts)
    limit = _LARGEST_SHIFT * _CELL_MM
    _set_coefficients(spline, coefficients.clip(-limit, limit).reshape(*free, 3))
    return spline


def _still_spline(points: np.ndarray) -> tuple[sitk.BSplineTransform, tuple[int, ...]]:
    """A deformation that does nothing, over the points and around them, and how many control points may move."""
    low, high = points.min(axis=0), points.max(axis=0)
    free = np.ceil((high - low) / _CELL_MM).astype(int).clip(min=1) + 3
    cells = free + 2 * _STILL - 3
    spline = sitk.BSplineTransform(3, 3)
    spline.SetTransformDomainMeshSize(cells.tolist())
    spline.SetTransformDomainPhysicalDimensions((cells * _CELL_MM).tolist())
    spline.SetTransformDomainOrigin(((low + high) / 2 - cells * _CELL_MM / 2).tolist())
    return spline, tuple(free.tolist())


def _basis(points: np.ndarray, spline: sitk.BSplineTransform, free: tuple[int, ...]) -> np.ndarray:
    """How much each point takes from each control point that may move, (N, their number)."""
    first = np.array(spline.GetCoefficientImages()[0].GetOrigin()) + _STILL * _CELL_MM
    places = (points - first) / _CELL_MM
    x, y, z = (_cubic(places[:, axis, None] - np.arange(free[axis])) for axis in range(3))
    return np.einsum("ni,nj,nk->nijk", x, y, z).reshape(len(points), -1)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """The cubic B-spline at a distance from its middle, in cells."""
    near, far = (np.clip(width - np.abs(distance), 0, None) for width in (1, 2))
    return (far**3 - 4 * near**3) / 6


def _roughness(free: tuple[int, ...]) -> np.ndarray:
    """The matrix whose quadratic form is the sum of squared second differences along each axis."""
    total = np.zeros((np.prod(free),) * 2)
    for axis, length in enumerate(free):
        second = np.diff(np.eye(length + 2), 2, axis=0)[:, 1:-1]
        before, after = np.eye(np.prod(free[:axis], dtype=int)), np.eye(np.prod(free[axis + 1 :], dtype=int))
        total += np.kron(np.kron(before, second.T @ second), after)
    return total


def _set_coefficients(spline: sitk.BSplineTransform, coefficients: np.ndarray) -> None:
    around = [(_STILL, _STILL)] * 3
    along = [np.pad(coefficients[..., axis], around).ravel(order="F") for axis in range(3)]
    spline.SetParameters(np.concatenate(along).tolist())
