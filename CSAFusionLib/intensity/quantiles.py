"""Quantiles that do not depend on the number type or the order in which values are stored."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def quantiles(values: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Return the values below which the given shares lie, between two neighbours on a straight line.

    As ``numpy.quantile``, which computes in the values' own number type, so that float32 and int16 of the same values
    give other results.

    values: any shape, at least one. shares: in [0, 1].
    """
    places = [share * (values.size - 1) for share in shares]
    below = [math.floor(place) for place in places]
    above = [min(place + 1, values.size - 1) for place in below]
    ordered = np.partition(values, sorted({*below, *above}), axis=None)
    return [
        float(ordered[low]) + (place - low) * (float(ordered[high]) - float(ordered[low]))
        for place, low, high in zip(places, below, above, strict=True)
    ]
