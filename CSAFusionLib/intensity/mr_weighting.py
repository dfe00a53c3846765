"""Which of two MR volumes is the T2: in it most tissue is dark and fluid bright, in a T1 the other way round."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

_BINS = 1024
_BACKGROUND = 0.05
_MARGIN = 0.05
"""Measured, T2 less T1 of one patient: 0.12 to 0.46 on seven heads and a neck; 0.0 on averages of many people."""


def quartile_skewness(slices: Iterable[np.ndarray]) -> float:
    """Return Bowley's skewness of the grey values above the background, -1 to 1; 0 where there are none.

    By the three quartiles alone, so that bright fat in the scalp, which both kinds show, has no say.

    Args:
        slices: values in [0, 1], of any shape, one after the other.
    """
    counts = np.zeros(_BINS, np.int64)
    for one in slices:
        counts += np.histogram(one, _BINS, (0, 1))[0]
    counts[: round(_BACKGROUND * _BINS)] = 0
    if not counts.any():
        return 0.0
    cumulated = np.cumsum(counts) / counts.sum()
    low, middle, high = np.searchsorted(cumulated, (0.25, 0.5, 0.75))
    return float(high + low - 2 * middle) / float(high - low) if high > low else 0.0


def is_t2_beside(skewness: float, other: float) -> bool:
    """Whether a volume is the T2 and the other the T1, by their :func:`quartile_skewness`; False when in doubt."""
    return skewness > other + _MARGIN
