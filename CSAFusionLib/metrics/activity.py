"""SF and AG: how much detail the fused image shows, of whatever origin; noise counts as well."""

from __future__ import annotations

import numpy as np


def spatial_frequency(fused: np.ndarray) -> float:
    """Return the root of the summed squares of all first differences, along rows and columns, over the pixel count.

    Eskicioglu and Fisher 1995.

    Args:
        fused: (H, W), 0 to 255.
    """
    image = fused.astype(np.float64)
    squares = sum((np.diff(image, axis=axis) ** 2).sum() for axis in (0, 1))
    return float(np.sqrt(squares / image.size))


def average_gradient(fused: np.ndarray) -> float:
    """Return the mean of sqrt((gx^2 + gy^2) / 2) over forward differences, where both of them exist.

    Cui et al. 2015.

    Args:
        fused: (H, W), 0 to 255.
    """
    image = fused.astype(np.float64)
    down, right = np.diff(image, axis=0)[:, :-1], np.diff(image, axis=1)[:-1]
    return float(np.sqrt((down**2 + right**2) / 2).mean())
