"""Colour: tables for PET and SPECT, slices as luminance and chrominance, and shading in OKLab.

In OKLab (Ottosson, 2020) hue, chroma and lightness are as perceived. It consists of cube roots of linear combinations
of linear RGB, so scaling L, a and b alike, which keeps hue and the ratio of chroma to lightness, amounts to scaling
linear RGB by the cube of the factor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.intensity.voxel_values import rgb_to_yuv

if TYPE_CHECKING:
    from CSAFusionLib.intensity.mapping import IntensityMapping

# Each table: control points (position, R, G, B), all in [0, 1], joined by straight lines.
_Points = tuple[tuple[float, float, float, float], ...]


def _evenly(colours: str) -> _Points:
    """Control points at even distances, of colours as six hexadecimal digits with blanks between them."""
    channels = [[int(word[place : place + 2], 16) / 255 for place in (0, 2, 4)] for word in colours.split()]
    last = len(channels) - 1
    return tuple((index / last, red, green, blue) for index, (red, green, blue) in enumerate(channels))


# By Nathaniel Smith and Stefan van der Walt, CC0; every eighth colour of matplotlib's, exact to 2 of 255 between them.
_VIRIDIS = (
    "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d 2f6b8e 2c728e 297a8e 26828e "
    "23898e 21918c 1f978b 1f9f88 21a685 27ad81 31b57b 3dbc74 4cc26c 5cc863 6ece58 81d34d 95d840 aadc32 c0df25 "
    "d5e21a eae51a fde725"
)
_INFERNO = (
    "000004 040312 0b0724 150b37 210c4a 2f0a5b 3d0965 4a0c6b 57106e 64156e 71196e 7d1e6d 8a226a 972766 a32c61 "
    "b0315b bc3754 c63d4d d04545 da4e3c e35933 eb6429 f1711f f67e14 f98c0a fb9b06 fcaa0f fbba1f f9c932 f5d949 "
    "f2e865 f3f586 fcffa4"
)

# Hot-iron and PET are those of DICOM PS3.6 B.1.1 and B.1.2, hot is matplotlib's (after MATLAB's). All but PET and
# rainbow grow brighter all the way, so the fused luminance keeps the order of uptake.
COLOUR_TABLES: dict[str, _Points] = {
    "hot-iron": ((0, 0, 0, 0), (0.5, 1, 0, 0), (0.75, 1, 0.5, 0), (1, 1, 1, 1)),
    "dicom-pet": ((0, 0, 0, 0), (0.25, 0, 0.5, 0.5), (0.5, 0.5, 0, 1), (0.75, 1, 0.5, 0), (1, 1, 1, 1)),
    "hot": ((0, 0.0416, 0, 0), (0.365079, 1, 0, 0), (0.746032, 1, 1, 0), (1, 1, 1, 1)),
    "viridis": _evenly(_VIRIDIS),
    "inferno": _evenly(_INFERNO),
    "grey": ((0, 0, 0, 0), (1, 1, 1, 1)),
    "ice": ((0, 0, 0, 0), (0.4, 0, 0.2, 0.8), (0.75, 0, 0.8, 1), (1, 1, 1, 1)),
    "rainbow": ((0, 0, 0, 0), (0.2, 0, 0, 1), (0.4, 0, 1, 1), (0.6, 0, 1, 0), (0.8, 1, 1, 0), (1, 1, 0, 0)),
}


def apply_colour_table(unit: np.ndarray, name: str) -> np.ndarray:
    """Apply a colour table to values.

    unit: any shape, in [0, 1].
    Returns float32 RGB (..., 3) in [0, 1]. Raises InputError for a name that is no table.
    """
    if name not in COLOUR_TABLES:
        raise InputError(f"'{name}' is not a colour table; give one of {', '.join(COLOUR_TABLES)}.")
    position, *channels = np.array(COLOUR_TABLES[name]).T
    return np.stack([np.interp(unit, position, channel) for channel in channels], axis=-1).astype(np.float32)


# IEC 61966-2-1 (sRGB).
_LINEAR_BELOW, _SLOPE = 0.04045, 12.92
_OFFSET, _POWER = 0.055, 2.4


def shaded(rgb: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Return colours with OKLab's lightness and chroma scaled; the hue stays, and no channel is clipped.

    Args:
        rgb: (..., 3) sRGB in [0, 1].
        lightness: (...) factors above 0; one that would push a channel above 1 is lowered to where it reaches 1.

    Returns:
        (..., 3) float32 in [0, 1].
    """
    linear = to_linear(rgb)
    brightest = np.maximum(linear.max(axis=-1), 1e-9)
    return to_srgb(linear * np.minimum(lightness.astype(np.float32) ** 3, 1 / brightest)[..., None])


def to_linear(rgb: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values in [0, 1]."""
    rgb = np.asarray(rgb, np.float32)
    return np.where(rgb <= _LINEAR_BELOW, rgb / _SLOPE, ((rgb + _OFFSET) / (1 + _OFFSET)) ** _POWER)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """SRGB values of linear light in [0, 1]."""
    curved = (1 + _OFFSET) * np.power(linear, 1 / _POWER) - _OFFSET
    return np.where(linear <= _LINEAR_BELOW / _SLOPE, linear * _SLOPE, curved).clip(0, 1).astype(np.float32)


# Smaller arrays keep two threads waiting for each other, larger ones do not stay in the cache.
_PIXELS_AT_ONCE = 2**18


@dataclass
class Source:
    """One input as slices in [0, 1]: luminance (S, H, W), and chrominance U, V (S, H, W, 2) when it has colour.

    ``uptake`` (S, H, W) is what a colour table was applied to; None if the colour is the input's own.
    """

    luminance: np.ndarray
    chrominance: np.ndarray | None = None
    uptake: np.ndarray | None = None

    def __getitem__(self, index: int) -> Source:
        """One slice: luminance (H, W), chrominance (H, W, 2)."""
        return Source(self.luminance[index], None if self.chrominance is None else self.chrominance[index])

    @classmethod
    def from_slices(cls, slices: Iterable[np.ndarray], count: int) -> Source:
        """Split ``count`` slices in [0, 1], each grey (H, W) or RGB (H, W, 3)."""
        source = cls(np.empty(0))
        for index, one in enumerate(slices):
            luminance, chrominance = _split(one)
            if index == 0:
                source = cls._empty(count, luminance.shape, has_colour=chrominance is not None)
            source.luminance[index] = luminance
            if source.chrominance is not None:
                source.chrominance[index] = chrominance
        return source

    @classmethod
    def mapped(cls, slices: np.ndarray, mapping: IntensityMapping, table: str | None) -> Source:
        """Map slices of an input's own intensities, (S, H, W) or (S, H, W, 3), and colour them by a table."""
        some = max(1, _PIXELS_AT_ONCE // (slices.shape[1] * slices.shape[2]))
        groups = (mapping(slices[start : start + some]) for start in range(0, len(slices), some))
        grey = cls.from_slices(chain.from_iterable(groups), len(slices))
        if table is None:
            return grey
        uptake = grey.luminance
        coloured = cls.from_slices((apply_colour_table(one, table) for one in uptake), len(uptake))
        return replace(coloured, uptake=uptake)

    @classmethod
    def _empty(cls, count: int, shape: tuple[int, ...], *, has_colour: bool) -> Source:
        stack = (count, *shape)
        return cls(np.empty(stack, np.float32), np.empty((*stack, 2), np.float32) if has_colour else None)


def _split(one: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    if one.ndim == 2:
        return one.astype(np.float32, copy=False), None
    yuv = rgb_to_yuv(one).astype(np.float32, copy=False)
    return yuv[..., 0], yuv[..., 1:]
