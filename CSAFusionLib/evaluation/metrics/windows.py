"""Gaussian weighted means over a sliding window, for the metrics that compare images window by window."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import linalg, signal


def gaussian_means(image: np.ndarray, size: int, sigma: float, step: int = 1) -> np.ndarray:
    """Return the mean of every window that lies inside the image, or of every ``step``-th along rows and columns.

    As products with banded matrices: for images of a few hundred pixels that is twice as fast as a filter.

    Args:
        image: (H, W) float64.
        size: the window's side in pixels.
        sigma: of its Gaussian weights, in pixels.

    Returns:
        (H - size + 1, W - size + 1) for step 1.
    """
    height, width = image.shape
    return _weights(size, sigma, height, step) @ image @ _weights(size, sigma, width, step).T


@lru_cache(maxsize=32)
def _weights(size: int, sigma: float, length: int, step: int) -> np.ndarray:
    """Return the weights of ``length`` pixels in each window, (windows, length)."""
    taps = signal.windows.gaussian(size, sigma)
    weights = linalg.convolution_matrix(taps / taps.sum(), length, mode="valid")[::step].copy()
    weights.flags.writeable = False
    return weights
