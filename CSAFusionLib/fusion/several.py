"""Several moving volumes into one fixed volume: each registered once to it, fused one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.on_grid import registration_by
from CSAFusionLib.fusion.output_grid import OutputGrid, region_on_grid
from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.intensity.mapping import Window, bias_corrected
from CSAFusionLib.intensity.modality import Modality, guess_modality
from CSAFusionLib.intensity.voxel_values import within_float32
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.volumes.volume import Volume

# What was fused before is shown from 0 to 1 as it is.
_AS_FUSED = Window(0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class MovingVolume:
    """A moving volume and what is chosen for it alone; None is as :class:`FusionSettings` says.

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
    """Correct every MR once, before what has been fused takes the place of the fixed volume."""
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
    """The provenance of one fusion, in which the result of the one before is called so."""
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
