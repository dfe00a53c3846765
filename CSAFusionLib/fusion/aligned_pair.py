"""Two inputs on one grid, as slices mapped to [0, 1]: resampled once, under one field-of-view mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.fusion.colouring import Source, brightness, to_pixels
from CSAFusionLib.fusion.result import slice_figures
from CSAFusionLib.fusion.source_pair import SourcePair
from CSAFusionLib.fusion.weight_maps import within_reach
from CSAFusionLib.geometry.planes import from_slices, slices_view, to_slices
from CSAFusionLib.geometry.resampling import brought, coverage_slices, field_of_view, lowest_value, resample_to_grid
from CSAFusionLib.intensity.numeric_range import own_values


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
            fixed=Source.mapped(own, sources.fixed.mapping, sources.fixed.colour_table),
            moving=Source.mapped(other, sources.moving.mapping, sources.moving.colour_table),
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


def images_on_demand(sources: SourcePair, transform: sitk.Transform, fused: sitk.Image) -> dict[str, Callable[[], Any]]:
    """What makes the parts of a result that few ask for, by the names of the result's fields.

    Args:
        transform: from fixed points to moving points (LPS, mm).
        fused: the fused volume.
    """
    reference, moving, plane = sources.fixed.volume.image, sources.moving.volume, sources.plane

    @cache
    def inside() -> sitk.Image:
        return field_of_view(moving.image, reference, transform)

    @cache
    def on_grid() -> sitk.Image:
        return resample_to_grid(moving.image, reference, transform, lowest_value(moving.image), inside())

    def fixed_source() -> Source:
        return Source.mapped(slices_view(reference, plane), sources.fixed.mapping, sources.fixed.colour_table)

    def moving_source() -> Source:
        return Source.mapped(slices_view(on_grid(), plane), sources.moving.mapping, sources.moving.colour_table)

    def figures() -> dict[str, list[float]]:
        luminance = fixed_source().luminance, moving_source().luminance
        return slice_figures(brightness(to_slices(fused, plane)), *luminance)

    return {
        "moving_on_grid": lambda: own_values(on_grid(), moving),
        "fixed_mapped": lambda: from_slices(to_pixels(fixed_source()), reference, plane),
        "moving_mapped": lambda: from_slices(to_pixels(moving_source()), reference, plane),
        "field_of_view": inside,
        "figures": figures,
    }
