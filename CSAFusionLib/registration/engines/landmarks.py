"""Registration by landmarks matched across modalities; rigid, affine or deformable.

- The motion that takes points to their counterparts with the least squared error, many sets at once.
- A smooth deformation through landmarks that is always invertible.

As in the article's preprocessing, landmarks are found and matched, outliers are removed, a rigid or affine motion is
estimated, and a light deformation is added if requested.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.engines.mutual_information import find_start
from CSAFusionLib.registration.landmark_matching import Level, find_pairs
from CSAFusionLib.registration.registration import NO_MASKS, RegistrationMasks, TransformModel


class Motion(NamedTuple):
    """Takes a point x to ``matrix @ x + shift``: matrix (..., 3, 3), shift (..., 3) in mm."""

    matrix: np.ndarray
    shift: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Move points (N, 3); a stack of motions gives (..., N, 3)."""
        return points @ np.swapaxes(self.matrix, -1, -2) + self.shift[..., None, :]


Fit = Callable[[np.ndarray, np.ndarray], Motion]


def fit_rigid(points: np.ndarray, targets: np.ndarray) -> Motion:
    """Fit a rotation and a shift to three or more pairs, (..., N, 3) each (Kabsch 1976; never a mirror image)."""
    left, _, right = np.linalg.svd(np.swapaxes(_centred(targets), -1, -2) @ _centred(points))
    left[..., -1] *= np.linalg.det(left @ right)[..., None]
    return _through_the_means(left @ right, points, targets)


def fit_affine(points: np.ndarray, targets: np.ndarray) -> Motion:
    """Fit an affine motion to four or more pairs, (..., N, 3) each; for points in one plane, the smallest one."""
    matrix = np.linalg.pinv(_centred(points)) @ _centred(targets)
    return _through_the_means(np.swapaxes(matrix, -1, -2), points, targets)


def _centred(points: np.ndarray) -> np.ndarray:
    return points - points.mean(axis=-2, keepdims=True)


def _through_the_means(matrix: np.ndarray, points: np.ndarray, targets: np.ndarray) -> Motion:
    return Motion(matrix, targets.mean(axis=-2) - (matrix @ points.mean(axis=-2)[..., None])[..., 0])


# Enough pairs to fix a motion, rigid or affine.
SAMPLE = 4

_DRAWS = 1000
_MOTION_ROUNDS = 10


def agree(
    points: np.ndarray, targets: np.ndarray, fit: Fit, *, tolerance_mm: float, seed: int
) -> tuple[Motion, np.ndarray]:
    """Fit a motion to those matches that agree with each other.

    points, targets: (N, 3) in mm, N at least ``SAMPLE``.
    tolerance_mm: a match agrees when the motion takes its point closer than this to its target.
    seed: seed of the random samples, 0 or more.

    Returns the motion with the least squared error over the matches that agree, and which those are, (N,) bool: random
    sample consensus (Fischler and Bolles 1981), then fits to all that agree until they stay the same.
    """
    drawn = np.random.default_rng(seed).random((_DRAWS, len(points))).argpartition(SAMPLE - 1)[:, :SAMPLE]
    trials = fit(points[drawn], targets[drawn])
    best = (_misfits(trials, points, targets) < tolerance_mm).sum(axis=1).argmax()
    motion = Motion(trials.matrix[best], trials.shift[best])
    agreeing = _misfits(motion, points, targets) < tolerance_mm
    for _ in range(_MOTION_ROUNDS):
        if agreeing.sum() < SAMPLE:
            break
        motion = fit(points[agreeing], targets[agreeing])
        agreeing = _misfits(motion, points, targets) < tolerance_mm
    return motion, agreeing


def _misfits(motion: Motion, points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.linalg.norm(motion(points) - targets, axis=-1)


# Control points this far apart follow the shape of a lobe, not the noise of a match.
_CELL_MM = 30.0

# With no control point shifted further than this share of a cell along any axis, a cubic B-spline deformation in 3-D is
# one to one and its Jacobian determinant above 0 (Choi and Lee, Injectivity conditions of 2D and 3D uniform cubic
# B-spline functions, 2000). No point then moves further either.
_LARGEST_SHIFT = 1 / 2.48

# Unmoved control points on each side take the deformation to nothing before its border.
_STILL = 3

_ROUGHNESS_WEIGHT = 0.1
_SPLINE_ROUNDS = 6


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
    for _ in range(_SPLINE_ROUNDS):
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


_STAGE = "Matching landmarks"

_COARSE, _FINE, _LOCAL = Level(4.0, 3), Level(2.0, 2), Level(2.0, 3)
_COARSE_TOLERANCE_MM, _FINE_TOLERANCE_MM, _LOCAL_TOLERANCE_MM = 4.0, 3.0, 2.0

# Fewer random matches agree on one motion.
_FEWEST, _LEAST_SHARE = 12, 0.2


def run(
    fixed: sitk.Image,
    moving: sitk.Image,
    model: TransformModel,
    *,
    seed: int = 0,
    threads: int | None = None,
    masks: RegistrationMasks = NO_MASKS,
    progress: Progress = silent,
) -> sitk.Transform:
    """Find the transform from fixed to moving points, LPS mm.

    fixed, moving: scalar float32, as :func:`CSAFusionLib.registration.preparation.prepare` makes them.
    model: RIGID gives an Euler3DTransform, AFFINE an AffineTransform, BSPLINE a CompositeTransform of an affine
        transform and a B-spline deformation, the deformation applied first.
    seed: seed of the random samples, 0 or more.
    threads: None means one, for which the same input and seed give the same transform.
    masks: where the two are compared.

    Raises RegistrationError when too few landmarks agree on one motion; Cancelled from ``progress``.
    """
    pairs_of = partial(find_pairs, fixed, moving, masks=masks)
    steps = 4 if model is TransformModel.BSPLINE else 3
    at_step = partial(partial, progress, _STAGE)
    transform: sitk.Transform = find_start(
        fixed, moving, seed=seed, threads=threads or 1, on_iteration=at_step(0, steps), masks=masks
    )
    points, targets = pairs_of(transform, _COARSE, at_step(1, steps))
    transform = _linear(points, targets, TransformModel.RIGID, _COARSE_TOLERANCE_MM, seed)
    points, targets = pairs_of(transform, _FINE, at_step(2, steps))
    transform = _linear(points, targets, model, _FINE_TOLERANCE_MM, seed)
    if model is TransformModel.BSPLINE:
        points, targets = pairs_of(transform, _LOCAL, at_step(3, steps))
        transform = _with_deformation(transform, points, targets)
    progress(_STAGE, steps, steps)
    return transform


def _linear(
    points: np.ndarray, targets: np.ndarray, model: TransformModel, tolerance_mm: float, seed: int
) -> sitk.Transform:
    agreeing = np.zeros(len(points), bool)
    rigid = model is TransformModel.RIGID
    if len(points) >= _FEWEST:
        fit = fit_rigid if rigid else fit_affine
        motion, agreeing = agree(points, targets, fit, tolerance_mm=tolerance_mm, seed=seed)
    if agreeing.sum() < max(_FEWEST, _LEAST_SHARE * len(points)):
        raise RegistrationError(
            f"Only {agreeing.sum()} of {len(points)} landmarks agree on how the two volumes lie; check that both show "
            f"the same anatomy, or use the method 'sitk'."
        )
    return _as_transform(motion, points.mean(axis=0), sitk.Euler3DTransform() if rigid else sitk.AffineTransform(3))


def _as_transform(motion: Motion, centre: np.ndarray, transform: sitk.Transform) -> sitk.Transform:
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(motion.matrix.ravel().tolist())
    transform.SetTranslation((motion(centre[None])[0] - centre).tolist())
    return transform


def _with_deformation(affine: sitk.AffineTransform, points: np.ndarray, targets: np.ndarray) -> sitk.CompositeTransform:
    back = affine.GetInverse()
    undone = np.array([back.TransformPoint(target) for target in targets.tolist()])
    deformation = smooth_deformation(points, undone - points, tolerance_mm=_LOCAL_TOLERANCE_MM)
    return sitk.CompositeTransform([affine, deformation])
