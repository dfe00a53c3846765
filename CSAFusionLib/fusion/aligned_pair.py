"""Two inputs on one grid, as slices mapped to [0, 1]: resampled once, under one field-of-view mask.

A source is held as luminance, and chrominance where it has colour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.fusion.source_pair import PreparedInput, SourcePair
from CSAFusionLib.geometry.planes import slices_view, to_slices
from CSAFusionLib.geometry.resampling import brought, coverage_slices
from CSAFusionLib.intensity.colour import apply_colour_table, rgb_to_yuv


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
    def mapped(cls, slices: np.ndarray, prepared: PreparedInput) -> Source:
        """Map slices of an input's own intensities, (S, H, W) or (S, H, W, 3), and colour them where it has a table."""
        mapping, table = prepared.mapping, prepared.colour_table
        grey = cls.from_slices((mapping(one) for one in slices), len(slices))
        if table is None:
            return grey
        uptake = grey.luminance
        coloured = cls.from_slices((apply_colour_table(one, table) for one in uptake), len(uptake))
        return replace(coloured, uptake=uptake)

    @classmethod
    def _empty(cls, count: int, shape: tuple[int, ...], *, has_colour: bool) -> Source:
        stack = (count, *shape)
        return cls(np.empty(stack, np.float32), np.empty((*stack, 2), np.float32) if has_colour else None)


@dataclass(frozen=True)
class AlignedPair:
    """Both sources (S, H, W) on the fixed grid, and where they meet.

    reach: how far the moving one reaches, 1 inside its field of view, falling to 0 at the border, 0 outside.
    coverage: the same, and 0 outside the region to fuse: how much of the fused value the result takes.
    """

    fixed: Source
    moving: Source
    reach: np.ndarray
    coverage: np.ndarray

    @classmethod
    def bring(cls, sources: SourcePair, transform: sitk.Transform, region: sitk.Image | None = None) -> AlignedPair:
        """Bring the moving volume onto the fixed grid and cut both into slices.

        Args:
            transform: from fixed points to moving points (LPS, mm).
            region: where to fuse (not 0), on the fixed grid; None is everywhere.

        Raises:
            InputError: under this transform the volumes do not overlap.
        """
        fixed, moving, plane = sources.fixed.volume, sources.moving.volume, sources.plane
        on_grid, inside = brought(fixed, moving, transform)
        reach = coverage_slices(inside, plane)
        own, other = slices_view(fixed.image, plane), slices_view(on_grid, plane)
        return cls(
            fixed=Source.mapped(own, sources.fixed),
            moving=Source.mapped(other, sources.moving),
            reach=reach,
            coverage=reach if region is None else reach * to_slices(region, plane),
        )

    def network_input(self, neighbours: np.ndarray) -> tuple[NetworkInput, NetworkInput]:
        """The fixed and the moving slices as the network takes them.

        Args:
            neighbours: weights of neighbouring slices, as
                :func:`CSAFusionLib.fusion.weight_maps.neighbour_weights` gives: a slice at the end of the region has
                the same neighbours as without a region.
        """
        reached, asked = (np.array([inside.any() for inside in mask], bool) for mask in (self.reach, self.coverage))
        wanted = np.logical_and(reached, within_reach(asked, neighbours))
        fixed, moving = (
            NetworkInput(source, wanted, self.fixed.luminance, self.reach)
            for source in (self.fixed.luminance, self.moving.luminance)
        )
        return fixed, moving


class NetworkInput:
    """One source's slices as the network takes them, made one by one; zero in slices that are not fused.

    The moving source has the fixed one's pixels where it does not reach, so that no artificial border is fused.
    """

    def __init__(self, source: np.ndarray, wanted: np.ndarray, fallback: np.ndarray, coverage: np.ndarray) -> None:
        """Take (S, H, W) in [0, 1], and which slices (S,) are fused; ``fallback`` stands where coverage is 0."""
        self.shape = source.shape
        self._source, self._wanted, self._fallback, self._coverage = source, wanted, fallback, coverage

    def __getitem__(self, index: int) -> np.ndarray:
        if not self._wanted[index]:
            return np.zeros(self.shape[1:], np.float32)
        return np.where(self._coverage[index] > 0, self._source[index], self._fallback[index])


def _split(one: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    if one.ndim == 2:
        return one.astype(np.float32, copy=False), None
    yuv = rgb_to_yuv(one).astype(np.float32, copy=False)
    return yuv[..., 0], yuv[..., 1:]


def within_reach(slices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return which slices (S,) count for one of those that are True in ``slices`` (S,), themselves included."""
    apart = np.abs(np.subtract.outer(np.arange(len(slices)), np.flatnonzero(slices)))
    return (apart <= len(weights) // 2).any(axis=1)
