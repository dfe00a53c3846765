"""A series of volumes on one grid, as a dynamic PET is, and one volume: registered once, and fused one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.on_grid import Alignment, registration_by
from CSAFusionLib.fusion.output_grid import OutputGrid, on_grid, region_on_grid
from CSAFusionLib.fusion.pipeline import device_for, fuse_settled
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.fusion.source_pair import PreparedInput, SourcePair
from CSAFusionLib.intensity.mapping import IntensityMapping, bias_corrected, find_mapping
from CSAFusionLib.intensity.modality import Modality, grey_quartiles
from CSAFusionLib.intensity.voxel_values import within_float32
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.volumes.checking import check_grid
from CSAFusionLib.volumes.input_path import ALL, MEAN
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.volume_series import VolumeSeries


@dataclass(frozen=True, kw_only=True)
class SeriesFusion:
    """A fusion of every volume of a series with one other volume.

    series: fixed or moving, as ``is_moving`` says.
    other: the other one.
    by: which volume stands for the series in the registration: its mean, or one by its number.
    alignment, grid: as of :func:`CSAFusionLib.fusion.on_grid.fuse_on_grid`, of the volume that stands for the series.
    region: where to fuse, on the fixed volume's grid.
    """

    series: VolumeSeries
    other: Volume
    is_moving: bool
    settings: FusionSettings
    reference: Volume
    by: str = MEAN
    alignment: Alignment = Alignment()
    grid: OutputGrid = OutputGrid()
    region: sitk.Image | None = None
    progress: Progress = silent

    @property
    def pair(self) -> tuple[Volume, Volume]:
        """The fixed and the moving volume, one of them the one that stands for the series."""
        return (self.other, self.reference) if self.is_moving else (self.reference, self.other)

    @cached_property
    def registration(self) -> Registration:
        """The one registration; raises as :func:`CSAFusionLib.fusion.pipeline.fuse_volumes` does."""
        if self.alignment.done is not None:
            return self.alignment.done
        return registration_by(
            *self.pair,
            self.settings,
            self.alignment.given,
            is_start=self.alignment.is_start,
            masks=self.alignment.masks,
            progress=self.progress,
        )

    @cached_property
    def _device(self) -> Device:
        return device_for(*self.pair, self.settings)

    @cached_property
    def _settled(self) -> SourcePair:
        """Both volumes on the grid of the result: black and white are those of the series as a whole."""
        fixed, moving = self.pair
        pair = SourcePair.settle(self.grid.apply(fixed, moving, self.registration.transform), moving, self.settings)
        return self._with(pair, self._of_series(pair, pair.moving if self.is_moving else pair.fixed))

    def _of_series(self, pair: SourcePair, settled: PreparedInput) -> PreparedInput:
        """Have black and white found from all volumes; those of a CT, and of what is corrected, are known already."""
        volume = settled.volume
        window = self.settings.moving_window if self.is_moving else self.settings.fixed_window
        is_corrected = self.settings.bias_correction and settled.modality is Modality.MR
        if window is not None or is_corrected or settled.modality is Modality.CT or volume.is_colour:
            return settled
        pooled = self._pooled()
        mapping = find_mapping(pooled, settled.modality)
        found = replace(settled, mapping=mapping)
        if pair.are_mr:
            _, middle, _ = grey_quartiles(map(mapping, sitk.GetArrayViewFromImage(pooled.image)))
            found = found.beside_mr(middle, is_t1=pair.fixed_is_a is not self.is_moving)
        return replace(settled, mapping=_for_voxels_of(volume, found.mapping))

    def _pooled(self) -> Volume:
        """An equal share of every volume, in its own values, about as many voxels as one has."""
        every = math.ceil(self.series.count ** (1 / 3))
        parts: list[np.ndarray] = []
        for volume in self.series.volumes():
            self.progress("Looking through the series", len(parts), self.series.count)
            voxels = sitk.GetArrayViewFromImage(volume.image)
            parts.append(voxels[::every, ::every, ::every].copy())
        return replace(self.reference, image=sitk.GetImageFromArray(np.concatenate(parts)), slope=1.0, intercept=0)

    def results(self, *, contribution: bool = False) -> Iterator[FusionResult]:
        """The result of each volume of the series, in their order; one is held at a time.

        Raises:
            InputError: a volume cannot be used, or lies on another grid than the first.
            NotEnoughMemory, RegistrationError, Cancelled: as :func:`CSAFusionLib.fusion.pipeline.fuse_volumes` does.
        """
        for number, volume in enumerate(self.series.volumes(), start=1):
            yield self._fused(volume, f"volume {number} of {self.series.count}", contribution=contribution)

    def of_reference(self) -> FusionResult:
        """The result of the volume that stands for the series, as it is shown in all others."""
        return self._fused(self.reference, "the volume that was registered", contribution=False)

    def _fused(self, volume: Volume, called: str, *, contribution: bool) -> FusionResult:
        check_grid(volume)
        target = self._settled.fixed.volume.image
        region = self.region if self.region is None or self.grid.is_fixed else region_on_grid(self.region, target)
        result = fuse_settled(
            self._with(self._settled, self._prepared(volume)),
            self.settings,
            self._device,
            registration=self.registration,
            region=region,
            contribution=contribution,
            progress=lambda stage, done, total: self.progress(f"{stage}, {called}", done, total),
        )
        result.provenance["series"] = self.describe()
        if not self.grid.is_fixed:
            result.provenance["output_grid"] = self.grid.describe()
        return result

    def _prepared(self, volume: Volume) -> PreparedInput:
        """One volume, to be shown as the series is; one that holds a single value too, as a PET's first may."""
        settled = self._settled.moving if self.is_moving else self._settled.fixed
        own = settled.volume
        if not self.is_moving and not self.grid.is_fixed:
            volume = on_grid(volume, own.image)
        volume = within_float32(volume)
        if self.settings.bias_correction and settled.modality is Modality.MR and not volume.is_colour:
            volume = bias_corrected(volume)
        mapping = settled.mapping if volume.is_colour else _in_own_values(own, settled.mapping)
        mapping = mapping if volume.is_colour else _for_voxels_of(volume, mapping)
        return replace(settled, volume=volume, mapping=mapping)

    def _with(self, pair: SourcePair, one: PreparedInput) -> SourcePair:
        return replace(pair, moving=one) if self.is_moving else replace(pair, fixed=one)

    def describe(self) -> dict[str, Any]:
        """What the provenance says of the series."""
        times = self.series.times
        return {
            "of": "moving" if self.is_moving else "fixed",
            "volumes": self.series.count,
            "registered_by": self.by if self.by == MEAN else int(self.by),
            "times_s": None if times is None else times.describe(),
        }


def series_beside_one(
    sources: tuple[VolumeSeries, VolumeSeries], choice: str | None = None
) -> tuple[VolumeSeries, Volume, bool]:
    """Return the series, the other volume, and whether the series is the moving one.

    Args:
        sources: the fixed and the moving input.
        choice: ``N,all`` or ``all,N``; None where one of the two holds a single volume.

    Raises InputError where that does not say which input is the series.
    """
    choices = _meant(sources) if choice is None else [part.strip() for part in choice.split(",")]
    if len(choices) != 2 or choices.count(ALL) != 1 or not all(one == ALL or one.isdecimal() for one in choices):
        raise InputError(
            f"--volume {choice} does not say which volumes are meant; give all, or a number and all, as in --volume "
            "1,all."
        )
    is_moving = choices[1] == ALL
    series, other = (sources[1], sources[0]) if is_moving else sources
    return series, other.read(int(choices[0 if is_moving else 1])), is_moving


def _meant(sources: tuple[VolumeSeries, VolumeSeries]) -> list[str]:
    several = [source.count > 1 for source in sources]
    if all(several):
        raise InputError(
            "Both inputs hold several volumes, so that it is open which of them is the series; choose one volume of "
            "the other, as --volume 1,all does of FIXED."
        )
    if not any(several):
        raise InputError("Neither input holds several volumes, so there is no series; choose no volume.")
    return [ALL if one else "1" for one in several]


def check_series_settings(settings: FusionSettings, series: VolumeSeries) -> None:
    """Raise InputError for a source that holds one volume, and for a style that has no grid of its own."""
    if series.count == 1:
        raise InputError(f"'{series.name}' holds one volume, which needs no --volume all; leave it out.")
    if settings.style is Style.SIDE_BY_SIDE:
        raise InputError("A series has no style side by side; choose another style.")


def warnings_of(of_each: Sequence[Sequence[str]]) -> list[str]:
    """The warnings of all volumes, each once; one that does not hold for all names those it holds for."""
    numbers: dict[str, list[int]] = {}
    for number, warnings in enumerate(of_each, start=1):
        for warning in dict.fromkeys(warnings):
            numbers.setdefault(warning, []).append(number)
    every = len(of_each)
    return [warning if len(held) == every else f"Of {_listed(held)}: {warning}" for warning, held in numbers.items()]


_SHOWN = 5


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (
        f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    )
    return f"volume{'s' if len(numbers) > 1 else ''} {shown}"


def _in_own_values(volume: Volume, mapping: IntensityMapping) -> IntensityMapping:
    return _moved(mapping, volume.own_value)


def _for_voxels_of(volume: Volume, mapping: IntensityMapping) -> IntensityMapping:
    return _moved(mapping, volume.voxel_value)


def _moved(mapping: IntensityMapping, move: Callable[[float], float]) -> IntensityMapping:
    knee = mapping.knee and (move(mapping.knee[0]), mapping.knee[1])
    return replace(mapping, low=move(mapping.low), high=move(mapping.high), knee=knee)
