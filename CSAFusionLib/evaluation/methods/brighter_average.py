"""The overlay, turned up: the plainest method that holds most indicators at once, and keeps lesions besides."""

from __future__ import annotations

import numpy as np

_FACTOR = np.float32(0.7)


def brighter_average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return 0.7 of each of two slices (H, W) in [0, 1], added and clipped at 1.

    No peer of the literature: it is in the tables because a network that does no more than this would look good there.
    """
    return np.minimum(_FACTOR * (a + b), 1)
