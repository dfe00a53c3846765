"""Two volumes in, one fused volume out, exactly on the grid of the fixed one, or on another grid if requested."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.fusion.colouring import blend, coloured, composed
from CSAFusionLib.fusion.device import Device, choose_device
from CSAFusionLib.fusion.output_grid import OutputGrid, region_on_grid
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.fusion.slices import FusedSlices, fuse_slices, slices_in_memory
from CSAFusionLib.fusion.source_pair import AlignedPair, SourcePair
from CSAFusionLib.fusion.weight_maps import WeightMaps
from CSAFusionLib.geometry.planes import slice_shape
from CSAFusionLib.logs import logger_of
from CSAFusionLib.memory import Need, check_memory, fusion_need
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.given_transform import GivenTransform, as_registration, masks_from, register_from
from CSAFusionLib.registration.register import RegistrationRun, register
from CSAFusionLib.registration.registration import NO_MASKS, Registration, RegistrationMasks, check_guides
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume

_log = logger_of(__name__)


def fuse_volumes(
    fixed: Volume,
    moving: Volume,
    settings: FusionSettings,
    *,
    registration: Registration | None = None,
    region: sitk.Image | None = None,
    contribution: bool = False,
    progress: Progress = silent,
) -> FusionResult:
    """Register the moving volume to the fixed one, and fuse the two slice by slice on the fixed volume's grid.

    Where the moving volume does not reach, and outside the region, the result is the fixed volume as it was mapped to
    [0, 1].

    Args:
        registration: an alignment already known; ``settings.registration`` is then not run.
        region: where to fuse, uint8 1 inside and 0 outside, on the fixed volume's grid; None fuses everywhere.
        contribution: whether to make the map of the fixed volume's contribution too.

    Raises:
        NotEnoughMemory: this machine cannot hold what the fusion needs.
        InputError: a volume, a setting or the weights cannot be used, or the volumes do not overlap.
        RegistrationError: the registration engine failed or is not installed.
        Cancelled: from ``progress``.
    """
    device = device_for(fixed, moving, settings)
    sources = SourcePair.settle(fixed, moving, settings)
    return fuse_settled(
        sources,
        settings,
        device,
        registration=registration,
        region=region,
        contribution=contribution,
        progress=progress,
    )


def device_for(fixed: Volume, moving: Volume, settings: FusionSettings) -> Device:
    """Choose the device of a fusion of two volumes that are valid, and that this machine can hold.

    Raises:
        InputError: a volume cannot be used, or the device asked for.
        NotEnoughMemory: this machine cannot hold what the fusion needs.
    """
    device = choose_device(settings.device)
    need = memory_need(fixed, moving, settings, device)
    check_memory(need)
    return device


def memory_need(fixed: Volume, moving: Volume, settings: FusionSettings, device: Device) -> Need:
    """Estimate what a fusion of two volumes takes at its peak; InputError for a volume that cannot be used."""
    check_volume(fixed)
    check_volume(moving)
    slices, height, width = slice_shape(fixed.image, settings.plane)
    has_colour = fixed.is_colour or moving.is_colour or settings.colour_table is not None
    return fusion_need(
        fixed.image,
        moving.image,
        in_colour=has_colour or settings.style is not Style.FUSED,
        slices_at_once=min(slices, slices_in_memory(device, (height, width), settings.batch_size)),
        pixels=height * width,
    )


def fuse_settled(
    sources: SourcePair,
    settings: FusionSettings,
    device: Device,
    *,
    registration: Registration | None = None,
    region: sitk.Image | None = None,
    contribution: bool = False,
    progress: Progress = silent,
) -> FusionResult:
    """Fuse two volumes whose modality, mapping and plane are settled; the rest as in :func:`fuse_volumes`."""
    modalities = " and ".join(modality.value for modality in sources.modalities)
    _log.info("fusing %s, %s voxels", modalities, sources.fixed.volume.image.GetSize())
    maps = WeightMaps.load_for(sources, settings) if settings.style is Style.FUSED else None
    method, model = settings.registration, settings.transform_model
    run = RegistrationRun(method, model, settings.seed, settings.threads, progress, registration)
    found = run.registered(sources.fixed.volume, sources.moving.volume)
    progress("Resampling", 0, 0)
    pair = AlignedPair.bring(sources, found.transform, region)
    fused, pixels = _fused(pair, maps, settings, device, contribution=contribution, progress=progress)
    # The images made next take as much memory again as its slices.
    del pair
    return FusionResult.assembled(sources, found, settings, maps.weights if maps else None, fused, pixels)


def _fused(
    pair: AlignedPair,
    maps: WeightMaps | None,
    settings: FusionSettings,
    device: Device,
    *,
    contribution: bool,
    progress: Progress,
) -> tuple[FusedSlices, np.ndarray]:
    """Return the fused slices and the result's pixels: by the network or, without weight maps, in another style.

    The contribution is the fixed volume's.
    """
    if maps is None:
        nothing = FusedSlices(np.empty(0), Device("cpu", "no network was needed"))
        return nothing, composed(pair, settings.style, settings.opacity)
    a, b = pair.network_input(maps.neighbours)
    fused = fuse_slices(
        maps.network,
        a,
        b,
        device,
        strengths=maps.strengths,
        neighbours=maps.neighbours,
        batch_size=settings.batch_size,
        with_contribution=contribution or pair.sources.has_colour_table,
        progress=progress,
    )
    progress("Writing colour and geometry", 0, 0)
    of_fixed = fused.contribution
    if of_fixed is not None and not pair.sources.fixed_is_a:
        np.subtract(1, of_fixed, out=of_fixed)
    pixels = coloured(fused.slices, of_fixed, pair, settings.balance)
    if of_fixed is not None:
        # Where the moving volume does not reach, the whole value comes from the fixed one.
        for own, inside in zip(of_fixed, pair.coverage, strict=True):
            own[...] = blend(own, np.ones_like(own), inside)
    return replace(fused, contribution=of_fixed if contribution else None), pixels


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
        is_start: start the registration at the given transform instead.
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
    done: a finished registration; everything else is then ignored.
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
