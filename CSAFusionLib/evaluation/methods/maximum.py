"""The brighter of both: the plainest method that is hard to beat on the usual metrics."""

from __future__ import annotations

import numpy as np


def maximum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the larger of two slices (H, W) in [0, 1], pixel by pixel."""
    return np.maximum(a, b)
