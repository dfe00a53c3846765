"""The grid of an image: where each voxel is in the patient, and whether its size is plausible."""

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

# Clinical voxels are 0.1 to 10 mm; micro-CT reaches 0.001 mm, and a slab of few slices may have them far apart.
_USUAL_MM = (0.05, 50.0)
# A nanometre; and no table is so long.
_LEAST_MM = 1e-6
_LARGEST_FIELD_MM = 10_000.0

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def voxel_axes(image: sitk.Image) -> np.ndarray:
    """Return the steps from a voxel to the next along i, j and k, the columns of a (3, 3) matrix in LPS mm."""
    axes: np.ndarray = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    return axes


def ijk_to_lps(image: sitk.Image) -> np.ndarray:
    """Return the (4, 4) float64 matrix that takes voxel indices (i, j, k, 1) to LPS mm, ITK's frame."""
    matrix = np.eye(4)
    matrix[:3, :3] = voxel_axes(image)
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def ijk_to_ras(image: sitk.Image) -> np.ndarray:
    """Return the (4, 4) float64 matrix that takes voxel indices (i, j, k, 1) to RAS mm, Slicer's IJKToRAS."""
    return LPS_TO_RAS @ ijk_to_lps(image)


def points_of(image: sitk.Image, indices: np.ndarray) -> np.ndarray:
    """Return where voxels of an image are, (N, 3) in LPS mm, from their indices (k, j, i), whole or not, (N, 3)."""
    return indices[:, ::-1] @ voxel_axes(image).T + np.array(image.GetOrigin())


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


def impossible_scale(image: sitk.Image) -> str | None:
    """Say why an image cannot be that small or large, as a sentence goes on after its name; None when it can."""
    field = np.multiply(image.GetSize(), image.GetSpacing())
    if min(image.GetSpacing()) < _LEAST_MM or field.max() > _LARGEST_FIELD_MM:
        sides = " x ".join(f"{side:g}" for side in field)
        return (
            f"would be {sides} mm in size, which nothing that is scanned is; correct the spacing in its header, which "
            "is in mm."
        )
    return None


def question_of_scale(image: sitk.Image) -> str | None:
    """Ask about voxels of an unusual size, as a sentence goes on after "The fixed volume"; None for usual ones.

    Such a volume is worked on as any other: micro-CT has voxels of 0.02 mm.
    """
    spacing = image.GetSpacing()
    if _USUAL_MM[0] <= min(spacing) and max(spacing) <= _USUAL_MM[1]:
        return None
    sides = " x ".join(f"{side:g}" for side in spacing)
    return (
        f"has voxels of {sides} mm: is its header in another unit, such as metres, than millimetres? Registration and "
        "its check are made for the size of a head and say little of any other."
    )
