"""The two inputs as the network takes them: who is A and who is B, luminance apart from colour, and back again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from CSAFusionLib.intensity.colour import rgb_to_yuv, yuv_to_rgb
from CSAFusionLib.intensity.modality import Modality

# The order of training: A is the functional volume where there is one, else the CT; B shows the anatomy.
_RANK = {Modality.PET: 0, Modality.SPECT: 0, Modality.CT: 1, Modality.MR: 2}


class Slices(Protocol):
    """Slices of one shape, one after the other: an array (S, H, W), or what makes them when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(S, H, W)."""

    def __getitem__(self, index: int, /) -> np.ndarray:
        """One slice (H, W) float32 in [0, 1]."""


@dataclass
class Source:
    """One input as slices in [0, 1]: luminance (S, H, W), and chrominance U, V (S, H, W, 2) when it has colour.

    ``uptake`` (S, H, W) is what a colour table was applied to; None where the colour is the input's own.
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
    def _empty(cls, count: int, shape: tuple[int, ...], *, has_colour: bool) -> Source:
        stack = (count, *shape)
        return cls(np.empty(stack, np.float32), np.empty((*stack, 2), np.float32) if has_colour else None)


def fixed_is_a(fixed: Modality, moving: Modality) -> bool:
    """Whether the fixed volume goes to the network's channel A; of two alike, the fixed one does."""
    return _RANK[fixed] <= _RANK[moving]


class Seen:
    """One source's slices as the network sees them, made one by one; zero where nobody wants them fused.

    The moving source has the fixed one's pixels where it does not reach, so that no artificial border is fused.
    """

    def __init__(self, source: np.ndarray, wanted: np.ndarray, fallback: np.ndarray, coverage: np.ndarray) -> None:
        """Take (S, H, W) in [0, 1], and which slices (S,) are wanted; ``fallback`` is seen where coverage is 0."""
        self.shape = source.shape
        self._source, self._wanted, self._fallback, self._coverage = source, wanted, fallback, coverage

    def __getitem__(self, index: int) -> np.ndarray:
        if not self._wanted[index]:
            return np.zeros(self.shape[1:], np.float32)
        return np.where(self._coverage[index] > 0, self._source[index], self._fallback[index])


def blend(fused: np.ndarray, fixed: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """The fused slices inside the moving field of view, going over to the fixed ones outside; all of one shape."""
    return coverage * fused + (1 - coverage) * fixed


def join_chrominance(fixed: Source, moving: Source, coverage: np.ndarray) -> np.ndarray | None:
    """U and V (..., H, W, 2) of the result, or None when neither source has colour.

    Two coloured sources are weighted by how far each is from grey, as in DeepFuse (Prabhakar et al., ICCV 2017, eq. 2),
    so that each keeps its colour where the other has none.
    """
    within = None if moving.chrominance is None else moving.chrominance * coverage[..., None]
    if fixed.chrominance is None or within is None:
        return within if fixed.chrominance is None else fixed.chrominance
    weights = np.abs(fixed.chrominance), np.abs(within)
    total = weights[0] + weights[1]
    weighted = weights[0] * fixed.chrominance + weights[1] * within
    return np.divide(weighted, total, out=np.zeros_like(total), where=total > 0)


def fade_colour(source: Source, strength: float) -> Source:
    """The source with its colour as weak as it counts; a strength of 1 or more leaves it alone."""
    if source.chrominance is None or strength >= 1:
        return source
    return replace(source, chrominance=source.chrominance * np.float32(strength))


def to_rgb(luminance: np.ndarray, chrominance: np.ndarray) -> np.ndarray:
    """Colour pixels (..., 3) uint8 from Y (...) in [0, 1] and U, V (..., 2)."""
    rgb = yuv_to_rgb(np.concatenate([luminance[..., None], chrominance], axis=-1))
    return np.round(rgb * 255).astype(np.uint8)


def to_pixels(source: Source) -> np.ndarray:
    """A source's slices (S, H, W, 3) uint8 where it has colour; else its luminance (S, H, W) as it is."""
    if source.chrominance is None:
        return source.luminance
    return np.stack([to_rgb(luminance, uv) for luminance, uv in zip(source.luminance, source.chrominance, strict=True)])


def brightness(slices: np.ndarray) -> np.ndarray:
    """The luminance (S, H, W) of a result's slices, grey (S, H, W) or RGB (S, H, W, 3) uint8."""
    if slices.ndim == 3:
        return slices
    return Source.from_slices((one / np.float32(255) for one in slices), len(slices)).luminance


def in_colour(luminance: np.ndarray, fixed: Source, moving: Source, coverage: np.ndarray) -> np.ndarray:
    """The result's slices (S, H, W, 3) uint8 where a source has colour; else the luminance (S, H, W) as it is."""
    rgb = None
    for index, own in enumerate(luminance):
        chrominance = join_chrominance(fixed[index], moving[index], coverage[index])
        if chrominance is None:
            return luminance
        rgb = np.empty((*luminance.shape, 3), np.uint8) if rgb is None else rgb
        rgb[index] = to_rgb(own, chrominance)
    return luminance if rgb is None else rgb


def _split(one: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    if one.ndim == 2:
        return one.astype(np.float32, copy=False), None
    yuv = rgb_to_yuv(one).astype(np.float32, copy=False)
    return yuv[..., 0], yuv[..., 1:]
