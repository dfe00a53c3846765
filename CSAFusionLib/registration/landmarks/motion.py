"""The motion that takes points to their counterparts with the least squared error, many sets at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


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
    """Fit an affine motion to four or more pairs, (..., N, 3) each; of points in one plane the least one."""
    matrix = np.linalg.pinv(_centred(points)) @ _centred(targets)
    return _through_the_means(np.swapaxes(matrix, -1, -2), points, targets)


def _centred(points: np.ndarray) -> np.ndarray:
    return points - points.mean(axis=-2, keepdims=True)


def _through_the_means(matrix: np.ndarray, points: np.ndarray, targets: np.ndarray) -> Motion:
    return Motion(matrix, targets.mean(axis=-2) - (matrix @ points.mean(axis=-2)[..., None])[..., 0])


# Enough pairs to fix a motion, rigid or affine.
SAMPLE = 4

_DRAWS = 1000
_ROUNDS = 10


def agree(
    points: np.ndarray, targets: np.ndarray, fit: Fit, *, tolerance_mm: float, seed: int
) -> tuple[Motion, np.ndarray]:
    """Fit a motion to those matches that agree with each other.

    points, targets: (N, 3) in mm, N at least ``SAMPLE``.
    tolerance_mm: a match agrees when the motion takes its point closer than this to its target.
    seed: of the random samples, 0 or more.

    Returns the motion with the least squared error over the matches that agree, and which those are, (N,) bool: random
    sample consensus (Fischler and Bolles 1981), then fits to all that agree until they stay the same.
    """
    drawn = np.random.default_rng(seed).random((_DRAWS, len(points))).argpartition(SAMPLE - 1)[:, :SAMPLE]
    trials = fit(points[drawn], targets[drawn])
    best = (_misfits(trials, points, targets) < tolerance_mm).sum(axis=1).argmax()
    motion = Motion(trials.matrix[best], trials.shift[best])
    agreeing = _misfits(motion, points, targets) < tolerance_mm
    for _ in range(_ROUNDS):
        if agreeing.sum() < SAMPLE:
            break
        motion = fit(points[agreeing], targets[agreeing])
        agreeing = _misfits(motion, points, targets) < tolerance_mm
    return motion, agreeing


def _misfits(motion: Motion, points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.linalg.norm(motion(points) - targets, axis=-1)
