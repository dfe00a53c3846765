"""Tissue consistency: does the same tissue look the same everywhere in the fused volume?"""

from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.clinical.head import find_head

_BINS = 64
_LEAST_VOXELS = 20
"""Bins with fewer voxels have no spread worth counting."""
_GREY_VALUES = 255


def tissue_inconsistency(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    """Return how far fused values of voxels with the same two source values lie apart, in grey values of 255.

    Root mean square distance from the mean of their bin in the joint histogram of the sources (64 x 64 bins, those
    with 20 voxels and more), inside the head of either source. 0 for a fused value that is one function of the two,
    but for the width of a bin: the average of both sources has 1 to 2. A method that decides place by place which
    source to show has more, and one tissue then looks different from place to place.

    Args:
        a: (S, H, W), 0 to 1.
        b: (S, H, W), 0 to 1.
        fused: (S, H, W), 0 to 1.

    Returns:
        nan where no bin has enough voxels.
    """
    head = np.stack([find_head(slice_) for slice_ in np.maximum(a, b)])
    values = fused[head].astype(np.float64) * _GREY_VALUES
    column, row = (np.minimum((source[head] * _BINS).astype(np.intp), _BINS - 1) for source in (a, b))
    bins = column * _BINS + row
    count, total, squares = (np.bincount(bins, weights, _BINS**2) for weights in (None, values, values**2))
    counted = count >= _LEAST_VOXELS
    if not counted.any():
        return float("nan")
    spread = squares[counted] - total[counted] ** 2 / count[counted]
    return float(np.sqrt(max(spread.sum(), 0) / count[counted].sum()))
