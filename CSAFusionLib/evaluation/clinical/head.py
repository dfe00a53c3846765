"""Where in a slice the head is."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_BRIGHTER_THAN_AIR = 0.1


def find_head(image: np.ndarray) -> np.ndarray:
    """Return the mask of the largest connected region brighter than air, its holes filled; empty for a dark image.

    Args:
        image: (H, W), 0 to 1.
    """
    regions, count = ndimage.label(image > _BRIGHTER_THAN_AIR)
    if count == 0:
        return np.zeros(image.shape, bool)
    largest = 1 + np.argmax(np.bincount(regions.ravel())[1:])
    return ndimage.binary_fill_holes(regions == largest)
