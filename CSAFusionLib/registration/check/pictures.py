"""Pictures by which an eye judges an alignment: a checkerboard of both slices, and the edges of one over the other."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

_SQUARES = 8
_EDGE_SIGMA_PIXELS = 1.5
_EDGE_THRESHOLDS = (0.03, 0.09)
_EDGE_COLOUR = (1.0, 0.75, 0.0)


def checkerboard(fixed: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Show the two slices in alternate squares: contours run on across the squares where they are aligned.

    fixed, moved: (H, W) in [0, 1]. Returns (H, W).
    """
    side = max(1, round(max(fixed.shape) / _SQUARES))
    rows, columns = np.indices(fixed.shape) // side
    return np.where((rows + columns) % 2, moved, fixed)


def edge_overlay(fixed: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Draw the edges of the moved slice over the fixed one: they lie on its contours where the two are aligned.

    fixed, moved: (H, W) in [0, 1]. Returns RGB (H, W, 3) in [0, 1].
    """
    low, high = _EDGE_THRESHOLDS
    image = sitk.GetImageFromArray(moved.astype(np.float32))
    edges = sitk.CannyEdgeDetection(image, low, high, [_EDGE_SIGMA_PIXELS**2] * 2)
    return np.where(sitk.GetArrayViewFromImage(edges)[..., None] > 0, _EDGE_COLOUR, fixed[..., None])
