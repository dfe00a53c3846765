"""The grid of an image: where each voxel is in the patient."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

# Same grid: no corner further than this share of a voxel from its twin, far above header rounding, far below sight.
_TOLERANCE_VOXELS = 1e-2

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def ijk_to_ras(image: sitk.Image) -> np.ndarray:
    """Return the (4, 4) float64 matrix that takes voxel indices (i, j, k, 1) to RAS mm, Slicer's IJKToRAS."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return _LPS_TO_RAS @ matrix


def same_grid(a: sitk.Image, b: sitk.Image) -> bool:
    """Tell whether two 3-D images have their voxels in the same places, header rounding apart."""
    if a.GetSize() != b.GetSize():
        return False
    apart = np.linalg.norm(_corners_lps(a) - _corners_lps(b), axis=1).max()
    return bool(apart <= _TOLERANCE_VOXELS * min(a.GetSpacing()))


def _corners_lps(image: sitk.Image) -> np.ndarray:
    indices = itertools.product(*[(0, length - 1) for length in image.GetSize()])
    return np.array([image.TransformIndexToPhysicalPoint(index) for index in indices])
