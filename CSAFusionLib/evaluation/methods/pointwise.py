"""Baselines that look at one pixel at a time: average, brighter average and maximum."""

from __future__ import annotations

import numpy as np

_FACTOR = np.float32(0.7)


def average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the mean of two slices (H, W) in [0, 1]: the overlay at 50 %, which users of Slicer have today."""
    return (a + b) / 2


def brighter_average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return 0.7 of each of two slices (H, W) in [0, 1], added and clipped at 1.

    The literature has no such method. It is in the tables because it holds most indicators at once and keeps lesions
    besides: a network that does no more than this would look good without it.
    """
    return np.minimum(_FACTOR * (a + b), 1)


def maximum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the larger of two slices (H, W) in [0, 1], pixel by pixel; hard to beat on the usual metrics."""
    return np.maximum(a, b)
