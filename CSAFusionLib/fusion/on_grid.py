"""A fusion as it is asked for in full: with an alignment that is known or guided, and on any grid.

A transform that is given is used as it is, or a registration starts from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import SimpleITK as sitk

from CSAFusionLib.fusion.output_grid import OutputGrid, region_on_grid
from CSAFusionLib.fusion.pipeline import fuse_volumes
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.given import as_registration, masks_from, register_from
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks, check_guides
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.registration.transform_files import GivenTransform
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume


def registration_by(
    fixed: Volume,
    moving: Volume,
    settings: FusionSettings,
    given: GivenTransform | None,
    *,
    is_start: bool = False,
    masks: RegistrationMasks = NO_MASKS,
    progress: Progress = silent,
) -> Registration:
    """Return the registration of two volumes.

    Args:
        given: a transform that is used as it is, and checked; None registers as the settings say.
        is_start: let that registration start at the given transform instead.
        masks: where the registration compares the two.

    Raises:
        InputError: a volume cannot be used, or under the given transform the volumes do not meet.
        RegistrationError: the registration failed or its method is not installed.
        Cancelled: from ``progress``.
    """
    for volume in (fixed, moving):
        check_volume(volume)
    if given is not None and not is_start:
        if masks:
            check_guides(settings.registration, is_given=True)
        return as_registration(fixed, moving, given, progress)
    find = partial(
        register,
        method=settings.registration,
        model=settings.transform_model,
        seed=settings.seed,
        threads=settings.threads,
        masks=masks if given is None else masks_from(masks, fixed, given),
        progress=progress,
    )
    return find(fixed, moving) if given is None else register_from(fixed, moving, given, find)


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """What is known of the alignment before the fusion.

    given: a transform that is used as it is, or, with ``is_start``, where the registration starts.
    masks: where the registration compares the two volumes.
    done: a registration that is done already; nothing else is then looked at.
    """

    given: GivenTransform | None = None
    is_start: bool = False
    masks: RegistrationMasks = NO_MASKS
    done: Registration | None = None


def fuse_on_grid(
    volumes: tuple[Volume, Volume],
    settings: FusionSettings,
    *,
    grid: OutputGrid,
    alignment: Alignment,
    region: sitk.Image | None = None,
    contribution: bool = False,
    progress: Progress = silent,
) -> FusionResult:
    """Fuse the moving volume into the fixed one as :func:`CSAFusionLib.fusion.pipeline.fuse_volumes` does, on a grid.

    Args:
        volumes: the fixed and the moving one.
        region: on the fixed volume's grid, whatever the result's is.

    Raises:
        InputError: also where the moving volume's grid is asked for and the transform bends it.
    """
    found, target = alignment.done, volumes[0]
    if found is None and (alignment.given is not None or alignment.masks or not grid.is_fixed):
        found = registration_by(
            *volumes,
            settings,
            alignment.given,
            is_start=alignment.is_start,
            masks=alignment.masks,
            progress=progress,
        )
    if found is not None:
        target = grid.apply(*volumes, found.transform)
    result = fuse_volumes(
        target,
        volumes[1],
        settings,
        registration=found,
        region=region if region is None or grid.is_fixed else region_on_grid(region, target.image),
        contribution=contribution,
        progress=progress,
    )
    if not grid.is_fixed:
        result.provenance["output_grid"] = grid.describe()
    return result
