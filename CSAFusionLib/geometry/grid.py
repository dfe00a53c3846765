"""The grid of an image: where each voxel is in the patient."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

# Same grid: no corner further than this share of a voxel from its twin, far above header rounding, far below sight.
_TOLERANCE_VOXELS = 1e-2

# Parts of a direction below the first are none; below the second, three directions of length 1 span no volume.
_NOTHING = 1e-100
_FLAT = 1e-3

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def ijk_to_ras(image: sitk.Image) -> np.ndarray:
    """Return the (4, 4) float64 matrix that takes voxel indices (i, j, k, 1) to RAS mm, Slicer's IJKToRAS."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ matrix


def set_ijk_to_lps(image: sitk.Image, matrix: np.ndarray) -> None:
    """Put a 3-D image where a (4, 4) matrix says that takes voxel indices (i, j, k, 1) to LPS mm; it may be sheared.

    The matrix is finite, and no axis of it has the length 0.
    """
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    directions = matrix[:3, :3] / spacing
    # ITK complains on the terminal of numbers so small that their squares are none.
    directions[np.abs(directions) < _NOTHING] = 0.0
    image.SetDirection(directions.ravel().tolist())


def is_geometry(matrix: np.ndarray) -> bool:
    """Tell whether a (4, 4) matrix from voxel indices to mm is finite and puts no two voxels in one place."""
    axes = matrix[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    return bool(np.isfinite(matrix).all() and spacing.min() > 0 and abs(np.linalg.det(axes / spacing)) >= _FLAT)


def same_grid(a: sitk.Image, b: sitk.Image) -> bool:
    """Tell whether two 3-D images have their voxels in the same places, header rounding apart."""
    return corners_apart(a, b) <= _TOLERANCE_VOXELS * min(a.GetSpacing())


def corners_apart(a: sitk.Image, b: sitk.Image) -> float:
    """Return how far apart the headers of two 3-D images put a voxel, at most, in mm; infinity for unequal sizes.

    The largest distance is always that of a corner.
    """
    if a.GetSize() != b.GetSize():
        return math.inf
    corners = corner_indices(a.GetSize()) @ (ijk_to_ras(a) - ijk_to_ras(b)).T
    return float(np.linalg.norm(corners[:, :3], axis=1).max())


def corner_indices(size: Sequence[int]) -> np.ndarray:
    """Return the indices (i, j, k, 1) of the eight corner voxels of a grid, (8, 4) float64."""
    return np.array([(*corner, 1.0) for corner in itertools.product(*[(0.0, length - 1.0) for length in size])])
