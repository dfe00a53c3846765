"""Voxel values in the form that all later work takes: within float32, colours as luminance; and their quantiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.volumes.volume import Volume

# Products of six gradients, as registration makes them, stay finite and above zero between these.
_LARGEST = 2.0**20
_LEAST_RANGE = 2.0**-10
# Of float32's 24 bits this many are left to tell values apart where they lie far from 0.
_LEAST_SHARE = 2.0**-10
# Spikes beyond these quantiles do not count, and are cut where nothing overflows yet.
_QUANTILES = (0.001, 0.999)
_FARTHEST = 2.0**30
# The range after rescaling; slopes are powers of two, so that no value is rounded on the way.
_EXPONENT = 10
_MOST_SHIFT = 1000


def within_float32(volume: Volume) -> Volume:
    """Return the volume with values that float32 holds apart: itself, or rescaled with ``slope`` and ``intercept``.

    A scalar volume is rescaled to float32 if its values lie far from 0 compared with their range (int32 around 2e9),
    exceed 1e6, or are closer than 1e-3 (float64 of 1e40 or 1e-50). Multiplication by a power of two changes no digit,
    so two volumes that differ by such a factor give the same result.
    """
    if volume.is_colour or volume.is_rescaled or volume.image.GetSizeOfPixelComponent() <= 2:
        return volume
    voxels = sitk.GetArrayViewFromImage(volume.image)
    extremes = _plain(voxels.min()), _plain(voxels.max())
    if _is_ordinary(*extremes):
        return volume
    low, high = _robust_range(voxels, extremes)
    offset = low if _is_far_from_zero(low, high) else 0
    shift = _shift(max(abs(low - offset), abs(high - offset)))
    if offset == shift == 0 and max(map(abs, extremes)) <= _FARTHEST:
        return volume
    stored = np.stack([_rescaled(plane, offset, shift) for plane in voxels])
    image = sitk.GetImageFromArray(stored)
    image.CopyInformation(volume.image)
    return replace(volume, image=image, slope=2.0**-shift, intercept=offset)


def own_values(image: sitk.Image, volume: Volume) -> sitk.Image:
    """Return an image in the volume's own values: float64 if the volume was rescaled, else the image itself.

    image: scalar, in the values of ``volume.image``.
    """
    if not volume.is_rescaled:
        return image
    return sitk.Cast(image, sitk.sitkFloat64) * volume.slope + float(volume.intercept)


def _is_ordinary(low: float, high: float) -> bool:
    if max(abs(low), abs(high)) > _LARGEST:
        return False
    return high - low >= _LEAST_RANGE and not _is_far_from_zero(low, high)


def _is_far_from_zero(low: float, high: float) -> bool:
    return high - low < _LEAST_SHARE * max(abs(low), abs(high))


def _robust_range(voxels: np.ndarray, extremes: tuple[float, float]) -> tuple[float, float]:
    """The values between which nearly all lie, as exact as they are stored; the extremes if those are one value."""
    places = [round(share * (voxels.size - 1)) for share in _QUANTILES]
    ordered = np.partition(voxels, places, axis=None)
    low, high = (_plain(ordered[place]) for place in places)
    return (low, high) if low < high else extremes


def _plain(value: np.generic) -> float:
    """A whole number stays one: a float would round it above 2**53."""
    return value.item()


def _shift(largest: float) -> int:
    """The power of two that brings the largest value to 2**9..2**10; 0 if none is needed."""
    exponent = math.frexp(largest)[1]
    if math.ldexp(0.5, exponent) >= _LEAST_RANGE and exponent <= math.log2(_LARGEST):
        return 0
    return max(-_MOST_SHIFT, min(_EXPONENT - exponent, _MOST_SHIFT))


def _rescaled(voxels: np.ndarray, offset: float, shift: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.ldexp(_difference(voxels, offset), shift).clip(-_FARTHEST, _FARTHEST).astype(np.float32)


def _difference(voxels: np.ndarray, offset: float) -> np.ndarray:
    """Values less an offset, float64; of whole numbers exact before they become floats."""
    if voxels.dtype.kind == "f":
        return voxels.astype(np.float64) - offset
    # Unsigned arithmetic wraps around, and so is right below and above the offset.
    wide = voxels.astype(np.int64 if voxels.dtype.kind == "i" else np.uint64).view(np.uint64)
    base = np.uint64(int(offset) % 2**64)
    return np.where(voxels >= offset, (wide - base).astype(np.float64), -((base - wide).astype(np.float64)))


def foreground(image: sitk.Image) -> sitk.Image:
    """Mark what is brighter than the background (Otsu's threshold), 1 or 0 (uint8)."""
    return sitk.OtsuThreshold(image, 0, 1)


# ITU-R BT.601: Y = 0.299 R + 0.587 G + 0.114 B, U = 0.492 (B - Y), V = 0.877 (R - Y).
_LUMINANCE = np.array([0.299, 0.587, 0.114])
_RGB_TO_YUV = np.stack(
    [_LUMINANCE, 0.492 * (np.array([0, 0, 1]) - _LUMINANCE), 0.877 * (np.array([1, 0, 0]) - _LUMINANCE)]
)
_YUV_TO_RGB = np.linalg.inv(_RGB_TO_YUV)


def rgb_to_yuv(rgb: np.ndarray) -> np.ndarray:
    """Turn RGB (..., 3) in [0, 1] into YUV (..., 3): Y in [0, 1], U in [-0.436, 0.436], V in [-0.615, 0.615]."""
    return rgb @ _RGB_TO_YUV.T.astype(rgb.dtype)


def yuv_to_rgb(yuv: np.ndarray) -> np.ndarray:
    """Turn YUV (..., 3) into RGB (..., 3), clipped to [0, 1]: a new Y can leave the colours a screen can show."""
    return np.clip(yuv @ _YUV_TO_RGB.T.astype(yuv.dtype), 0, 1)


_BINS = 128
_AT_ONCE = 2**16
"""Values of which Otsu's bins are found at a time, within the cache."""


@dataclass(frozen=True)
class Distribution:
    """Values of voxels as float32: one for each voxel, or each value once and how often it occurs.

    Both are of the same numbers, and what is found in them is the same: of integers of 16 bits or fewer, the second
    takes a tenth of the time and next to no memory.
    """

    values: np.ndarray
    counts: np.ndarray | None = None

    @classmethod
    def of(cls, voxels: np.ndarray) -> Distribution:
        """Take an array of any shape and number type."""
        if voxels.dtype.kind not in "iu" or voxels.dtype.itemsize > 2:
            return cls(voxels.astype(np.float32, copy=False).reshape(-1))
        lowest = int(np.iinfo(voxels.dtype).min)
        counts = np.zeros(2 ** (8 * voxels.dtype.itemsize), np.int64)
        for slab in voxels:
            # A slab at a time: numpy counts in integers of 64 bits.
            counts += np.bincount(slab.reshape(-1).astype(np.int64) - lowest, minlength=len(counts))
        present = np.flatnonzero(counts)
        return cls((present + lowest).astype(np.float32), counts[present])

    def count(self, chosen: np.ndarray) -> int:
        """Return how many voxels have the values for which ``chosen``, as long as :attr:`values`, is True."""
        return int(np.count_nonzero(chosen) if self.counts is None else self.counts[chosen].sum())

    def where(self, chosen: np.ndarray) -> Distribution:
        """Return the values for which ``chosen``, as long as :attr:`values`, is True."""
        return Distribution(self.values[chosen], None if self.counts is None else self.counts[chosen])

    def away_from(self, level: float) -> Distribution:
        """Return how far each value is from a level."""
        return Distribution(np.abs(self.values - level), self.counts)

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return the values below which the given shares, in [0, 1], lie, as :func:`quantiles` does."""
        if self.counts is None:
            return quantiles(self.values, shares)
        order = np.argsort(self.values)
        ends = self.counts[order].cumsum()
        return _between(shares, int(ends[-1]), lambda ranks: self.values[order[np.searchsorted(ends, ranks, "right")]])

    def otsu(self, low: float, high: float) -> float:
        """Return Otsu's threshold of the values, those beyond ``low`` and ``high`` taken for these.

        Of 128 bins, as ITK finds it from the voxels themselves, which takes as long as a dozen slices.
        """
        span = np.array([low, high], np.float32).astype(float)
        edges = np.linspace(span[0], span[1] + (span[1] - span[0]) / (100 * _BINS), _BINS + 1)
        inside = np.zeros(_BINS)
        for start in range(0, len(self.values), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            bins = np.searchsorted(edges[1:-1], self.values[some].clip(*span).astype(float), "right")
            inside += np.bincount(bins, None if self.counts is None else self.counts[some], _BINS)
        below = inside.cumsum()[:-1] / inside.sum()
        sums = (inside * (edges[:-1] + edges[1:])).cumsum() / (2 * inside.sum())
        between = (sums[-1] * below - sums[:-1]) ** 2 / np.maximum(below * (1 - below), 1e-300)
        return float(edges[1 + between.argmax()])


def quantiles(values: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Return the values below which the given shares lie, interpolated linearly between two neighbours.

    ``numpy.quantile`` computes in the values' own number type, so float32 and int16 of the same values give different
    results.

    values: any shape, at least one. shares: in [0, 1].
    """
    return _between(shares, values.size, lambda ranks: np.partition(values, np.unique(ranks), axis=None)[ranks])


def _between(shares: Sequence[float], count: int, of_ranks: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    """Return the values at shares of ``count`` values; ``of_ranks`` gives those of some ranks, from 0 upwards."""
    places = [share * (count - 1) for share in shares]
    below = [math.floor(place) for place in places]
    ordered = of_ranks(np.array([below, [min(rank + 1, count - 1) for rank in below]]))
    return [
        float(low) + (place - rank) * (float(high) - float(low))
        for place, rank, low, high in zip(places, below, *ordered, strict=True)
    ]
