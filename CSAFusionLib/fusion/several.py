"""More than two volumes: several moving ones into one fixed, or every volume of a series with one other.

- Several moving volumes are registered each once to the fixed one, and fused one after the other.
- A series, as a dynamic PET is, lies on one grid: it is registered once, and its volumes are fused one by one.
"""

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
from CSAFusionLib.fusion.output_grid import OutputGrid, on_grid, region_on_grid
from CSAFusionLib.fusion.pipeline import Alignment, device_for, fuse_settled, fuse_volumes, registration_by
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.fusion.source_pair import PreparedInput, SourcePair
from CSAFusionLib.intensity.mapping import IntensityMapping, Window, bias_corrected, find_mapping
from CSAFusionLib.intensity.modality import Modality, guess_modality
from CSAFusionLib.intensity.voxel_values import within_float32
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.registration import NO_MASKS, Registration, RegistrationMasks
from CSAFusionLib.volumes.checking import check_grid
from CSAFusionLib.volumes.input_path import ALL, MEAN
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.volume_series import VolumeSeries

# The result of an earlier fusion is shown unchanged, from 0 to 1.
_AS_FUSED = Window(0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class MovingVolume:
    """A moving volume and what is chosen for it alone; None has the meaning it has in :class:`FusionSettings`.

    masks: where its registration compares it with the fixed volume.
    """

    volume: Volume
    masks: RegistrationMasks = NO_MASKS
    modality: Modality | None = None
    window: Window | None = None
    colour_table: str | None = None

    @property
    def has_colour(self) -> bool:
        """Whether it is fused in colour, and so after those in grey."""
        return self.colour_table is not None or self.volume.is_colour


@dataclass(frozen=True, kw_only=True)
class SeveralFused:
    """The last of several fusions, which holds all volumes, and how each was made.

    order: which of the moving volumes, counted from 0 as they were given, was fused first, second, and so on.
    registrations: of each moving volume to the fixed one, as they were given.
    registered: each moving volume on the grid of the result with its own values, as they were given.
    mapped: the fixed volume and then each moving one as they were fused, where they were asked for.
    """

    fused: sitk.Image
    order: tuple[int, ...]
    registrations: tuple[Registration, ...]
    registered: tuple[sitk.Image, ...]
    provenance: dict[str, Any]
    mapped: tuple[sitk.Image, ...] = ()


def order_of(movings: Sequence[MovingVolume]) -> tuple[int, ...]:
    """Return the order in which moving volumes are fused: grey ones as they were given, then those in colour."""
    return tuple(sorted(range(len(movings)), key=lambda index: movings[index].has_colour))


def fuse_several(
    fixed: Volume,
    movings: Sequence[MovingVolume],
    settings: FusionSettings,
    *,
    region: sitk.Image | None = None,
    grid: OutputGrid = OutputGrid(),  # noqa: B008 (frozen)
    with_mapped: bool = False,
    progress: Progress = silent,
) -> SeveralFused:
    """Register each moving volume to the fixed one, and fuse them one after the other on its grid.

    The result of a fusion takes the place of the fixed volume in the next, so what comes later lies on top: grey first,
    colour last.

    Args:
        settings: for every fusion; modality, window and colour table of the moving volume are each volume's own.
        region: where to fuse, as of :func:`CSAFusionLib.fusion.pipeline.fuse_volumes`.
        grid: that of the result; a moving volume's is that of the first that is given.
        with_mapped: whether to make ``mapped``.

    Raises:
        InputError: there is no moving volume, or as ``fuse_volumes`` does.
        NotEnoughMemory, RegistrationError, Cancelled: as ``fuse_volumes`` does.
    """
    if not movings:
        raise InputError("There is no moving volume to fuse; give one or more.")
    if settings.bias_correction:
        fixed, movings = _corrected(fixed, movings, settings.fixed_modality)
        settings = replace(settings, bias_correction=False)
    own = [_settings_for(moving, settings) for moving in movings]
    registrations = tuple(
        registration_by(fixed, moving.volume, chosen, None, masks=moving.masks, progress=progress)
        for moving, chosen in zip(movings, own, strict=True)
    )
    modality = settings.fixed_modality or guess_modality(within_float32(fixed))
    target = grid.apply(fixed, movings[0].volume, registrations[0].transform)
    if region is not None and not grid.is_fixed:
        region = region_on_grid(region, target.image)
    current, registered, steps = target, dict[int, sitk.Image](), list[dict[str, Any]]()
    mapped: dict[int, sitk.Image] = {}
    for index in order_of(movings):
        chosen = own[index] if current is target else _on_top(own[index], current, modality)
        result = fuse_volumes(
            current, movings[index].volume, chosen, registration=registrations[index], region=region, progress=progress
        )
        registered[index] = result.moving_on_grid
        if with_mapped:
            mapped.setdefault(-1, result.fixed_mapped)
            mapped[index] = result.moving_mapped
        steps.append({"moving_number": index + 1} | _described(result, steps))
        current = Volume(result.fused, fixed.name)
    return SeveralFused(
        fused=current.image,
        order=order_of(movings),
        registrations=registrations,
        registered=tuple(registered[index] for index in range(len(movings))),
        provenance=_provenance(steps) | ({} if grid.is_fixed else {"output_grid": grid.describe()}),
        mapped=tuple(mapped[index] for index in sorted(mapped)),
    )


def _settings_for(moving: MovingVolume, settings: FusionSettings) -> FusionSettings:
    return replace(
        settings, moving_modality=moving.modality, moving_window=moving.window, colour_table=moving.colour_table
    )


def _corrected(
    fixed: Volume, movings: Sequence[MovingVolume], modality: Modality | None
) -> tuple[Volume, list[MovingVolume]]:
    """Correct every MR once, before a fused result takes the place of the fixed volume."""
    volumes = [within_float32(volume) for volume in (fixed, *(moving.volume for moving in movings))]
    given = [modality, *(moving.modality for moving in movings)]
    is_mr = [
        not volume.is_colour and (known or guess_modality(volume)) is Modality.MR
        for volume, known in zip(volumes, given, strict=True)
    ]
    if not any(is_mr):
        raise InputError("N4 corrects an MR, and none of the volumes is one; leave the bias correction out.")
    first, *others = (bias_corrected(volume) if mr else volume for volume, mr in zip(volumes, is_mr, strict=True))
    return first, [replace(moving, volume=volume) for moving, volume in zip(movings, others, strict=True)]


def _on_top(settings: FusionSettings, current: Volume, modality: Modality) -> FusionSettings:
    """The settings of a fusion whose fixed volume is the result of another."""
    window = None if current.is_colour else _AS_FUSED
    return replace(settings, fixed_modality=modality, fixed_window=window)


def _described(result: FusionResult, before: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The provenance of one fusion, in which the result of the previous one is marked as such."""
    if not before:
        return result.provenance
    fixed = result.provenance["fixed"] | {"is_result_of_step": len(before)}
    return result.provenance | {"fixed": fixed}


def _provenance(steps: list[dict[str, Any]]) -> dict[str, Any]:
    warnings = [f"Moving volume {step['moving_number']}: {warning}" for step in steps for warning in step["warnings"]]
    return {
        "notice": steps[0]["notice"],
        "versions": steps[0]["versions"],
        "order": [step["moving_number"] for step in steps],
        "steps": steps,
        "warnings": warnings,
    }


@dataclass(frozen=True, kw_only=True)
class SeriesFusion:
    """A fusion of every volume of a series with one other volume.

    series: fixed or moving, as ``is_moving`` says.
    other: the other one.
    by: which volume stands for the series in the registration: its mean, or one by its number.
    alignment, grid: as of :func:`CSAFusionLib.fusion.pipeline.fuse_on_grid`, of the volume that stands for the series.
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
        """Find black and white from all volumes; for a CT and for a corrected series they are known already."""
        volume = settled.volume
        window = self.settings.moving_window if self.is_moving else self.settings.fixed_window
        is_corrected = self.settings.bias_correction and settled.modality is Modality.MR
        if window is not None or is_corrected or settled.modality is Modality.CT or volume.is_colour:
            return settled
        pooled = self._pooled()
        mapping = find_mapping(pooled, settled.modality)
        found = replace(settled, mapping=mapping)
        if pair.are_mr:
            found = found.beside_mr(pooled, is_t1=pair.fixed_is_a is not self.is_moving)
        return replace(settled, mapping=_for_voxels_of(volume, found.mapping))

    def _pooled(self) -> Volume:
        """An equal share of every volume in its own values, in all about as many voxels as one volume has."""
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
        """One volume, mapped as the series is; it may hold a single value, as the first of a PET can."""
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
        """What provenance records of the series."""
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
            "Both inputs hold several volumes, so it is not clear which of them is the series; choose one volume of "
            "the other, for example the first of FIXED with --volume 1,all."
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
    """The warnings of all volumes, each once; one that does not apply to all names those to which it applies."""
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
