"""Steadiness from slice to slice: neighbouring slices share the gains that the network gives each on its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

_REACH = 3
"""Standard deviations after which a neighbour no longer counts."""
_ROUNDING = 1e-4
_MOST_REACH = 32
"""Slices on each side that count at most: those within reach of 2 mm where slices are 0.19 mm apart, or farther."""


def neighbour_weights(spacing: float, sigma: float) -> np.ndarray:
    """Return the weights of a slice and of its neighbours on both sides, the slice in the middle; they sum to one.

    Args:
        spacing: from slice to slice, in mm.
        sigma: standard deviation of a Gaussian, in mm; with 0, or slices far apart, only the slice itself counts. Of
          slices very close to each other no more than 32 on each side count.
    """
    # Rounding in a header must not decide whether the farthest neighbours count.
    reach = int(min(_REACH * sigma / spacing * (1 + _ROUNDING), _MOST_REACH))
    if reach == 0:
        return np.ones(1)
    weights = np.exp(-((spacing * np.arange(-reach, reach + 1)) ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def within_reach(slices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return which slices (S,) count for one of those that are True in ``slices`` (S,), themselves included."""
    apart = np.abs(np.subtract.outer(np.arange(len(slices)), np.flatnonzero(slices)))
    return (apart <= len(weights) // 2).any(axis=1)


def steadied(
    gains: Iterable[tuple[int, np.ndarray]], filled: np.ndarray, weights: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Replace each slice's gains by the weighted mean of those around it.

    The sources keep their own detail in every slice: only how much of each is taken becomes steady. What jumps from
    slice to slice in the fused volume is then what jumps in the sources. No more gains are held than count for one
    slice.

    Args:
        gains: index and gains of each filled slice, in order.
        filled: (S,), False for slices that the network was not asked about; they count for none.
        weights: as :func:`neighbour_weights` gives.
    """
    reach = len(weights) // 2
    near: dict[int, np.ndarray] = {}
    waiting: deque[int] = deque()
    last = int(np.flatnonzero(filled)[-1]) if filled.any() else -1
    for index, own in gains:
        near[index] = own
        waiting.append(index)
        while waiting and (index >= waiting[0] + reach or index == last):
            middle = waiting.popleft()
            yield middle, _mean_around(middle, near, filled, weights)
            for passed in [other for other in near if other <= middle - reach]:
                del near[passed]


def _mean_around(index: int, near: dict[int, np.ndarray], filled: np.ndarray, weights: np.ndarray) -> np.ndarray:
    reach = len(weights) // 2
    if reach == 0:
        return near[index]
    others = [other for other in range(index - reach, index + reach + 1) if 0 <= other < len(filled) and filled[other]]
    total = sum(weights[other - index + reach] for other in others)
    mean = np.zeros_like(near[index])
    for other in others:
        mean += np.float32(weights[other - index + reach] / total) * near[other]
    return mean
