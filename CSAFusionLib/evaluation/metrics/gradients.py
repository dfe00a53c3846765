"""Sobel gradients, for the metrics that compare edges."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def sobel_gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradient along rows' order (down) and along columns' (right), each (H, W); edges replicated.

    Args:
        image: (H, W).
    """
    down, right = (ndimage.sobel(image.astype(np.float64), axis, mode="nearest") for axis in (0, 1))
    return down, right
