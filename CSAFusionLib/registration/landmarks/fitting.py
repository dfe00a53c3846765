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
