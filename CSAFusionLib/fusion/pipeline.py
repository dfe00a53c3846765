"""Two volumes in, one fused volume out, exactly on the grid of the fixed one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.fusion.alignment import AlignedPair, Role, align, find_roles, moving_on_grid
from CSAFusionLib.fusion.device import Device, choose_device
from CSAFusionLib.fusion.memory_need import memory_need
from CSAFusionLib.fusion.provenance import describe_registration, describe_run
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.slice_figures import slice_figures
from CSAFusionLib.fusion.sources import Seen, Source, blend, brightness, fade_colour, fixed_is_a, in_colour, to_pixels
from CSAFusionLib.fusion.steadiness import neighbour_weights, within_reach
from CSAFusionLib.geometry.planes import from_slices, settled_plane, slice_spacing, slices_view, to_slices
from CSAFusionLib.geometry.resampling import field_of_view
from CSAFusionLib.intensity.numeric_range import own_values
from CSAFusionLib.logs import logger_of
from CSAFusionLib.memory.estimate import check_memory
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.registration.quality.assessment import assess
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.result import RegistrationResult
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume, notes_of
from CSAFusionLib.weights.catalogue import choose_weights, load_network

if TYPE_CHECKING:
    from CSAFusionLib.fusion.slices import FusedSlices
    from CSAFusionLib.weights.catalogue import WeightsInfo

T = TypeVar("T")

_log = logger_of(__name__)


def fuse_volumes(
    fixed: Volume,
    moving: Volume,
    settings: FusionSettings,
    *,
    registration: RegistrationResult | None = None,
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
        contribution: whether to make the map of the fixed volume's share too.

    Raises:
        NotEnoughMemory: this machine cannot hold what the fusion needs.
        InputError: a volume, a setting or the weights cannot be used, or the volumes do not overlap.
        RegistrationError: the registration engine failed or is not installed.
        Cancelled: from ``progress``.
    """
    check_volume(fixed)
    check_volume(moving)
    device = choose_device(settings.device)
    check_memory(memory_need(fixed, moving, settings, device))
    roles = find_roles(fixed, moving, settings)
    fixed, moving = (role.volume for role in roles)
    _log.info("fusing %s, %s voxels", " and ".join(role.modality.value for role in roles), fixed.image.GetSize())
    with_share = contribution or any(role.colour_table for role in roles)
    weights, neighbours, fuse = _loaded(roles, settings, device, with_share=with_share, progress=progress)

    registration = _checked(registration or _register(fixed, moving, settings, progress), fixed, moving, progress)
    progress("Resampling", 0, 0)
    fused, slices = _fused(roles, registration.transform, region, settings, neighbours, fuse)
    progress("Writing colour and geometry", 0, 0)
    image = from_slices(slices, fixed.image, settings.plane)
    share = fused.share if contribution else None
    warnings = [*_warnings(roles, registration), *fused.warnings]
    _log.info("fused %d slices on %s, %d warnings", len(slices), fused.device.torch_device, len(warnings))
    return FusionResult(
        fused=image,
        **_on_demand(roles, settings, registration.transform, image),
        registration=registration,
        provenance=describe_run(settings, weights, fused.device) | _provenance(roles, registration, settings, warnings),
        warnings=warnings,
        contribution=None if share is None else from_slices(share, fixed.image, settings.plane),
    )


def _loaded(
    roles: tuple[Role, Role], settings: FusionSettings, device: Device, *, with_share: bool, progress: Progress
) -> tuple[WeightsInfo, np.ndarray, Callable[..., FusedSlices]]:
    """The weights, the weights of neighbouring slices, and what fuses the slices of A and B with both."""
    from CSAFusionLib.fusion.slices import fuse_slices
    from CSAFusionLib.fusion.weighting import strengths_of

    modalities = roles[0].modality, roles[1].modality
    network, weights = load_network(settings.weights or choose_weights(*_in_order(roles, *modalities)))
    spacing = slice_spacing(roles[0].volume.image, settings.plane)[0]
    neighbours = neighbour_weights(spacing, settings.through_slice_smoothing)
    fuse = partial(
        fuse_slices,
        network,
        device=device,
        strengths=strengths_of(network.configuration, fixed_is_a(*modalities), settings.balance),
        neighbours=neighbours,
        batch_size=settings.batch_size,
        with_share=with_share,
        progress=progress,
    )
    return weights, neighbours, fuse


def _register(fixed: Volume, moving: Volume, settings: FusionSettings, progress: Progress) -> RegistrationResult:
    method, model = settings.registration, settings.transform_model
    return register(fixed, moving, method, model, seed=settings.seed, threads=settings.threads, progress=progress)


def _checked(registration: RegistrationResult, fixed: Volume, moving: Volume, progress: Progress) -> RegistrationResult:
    """The registration with its quality, which one that was given may lack."""
    if registration.quality is not None:
        return registration
    assessment = assess(prepare(fixed), prepare(moving), registration.transform, progress=progress)
    return replace(registration, metric=assessment.figures, quality=assessment.quality)


def _warnings(roles: tuple[Role, Role], registration: RegistrationResult) -> list[str]:
    """What the user should know before the network has run."""
    fixed, moving = (role.volume for role in roles)
    said = [*notes_of(fixed, moving), *registration.warnings]
    if (quality := registration.quality) is not None and quality.grade is not Grade.GOOD:
        said.append(f"The registration is {quality.grade.value}: {quality.reason}")
    return said + [role.mapping.note for role in roles if role.mapping.note]


def _in_order(roles: tuple[Role, Role], of_fixed: T, of_moving: T) -> tuple[T, T]:
    """What belongs to the fixed and to the moving volume, as (A, B) of the network."""
    if fixed_is_a(roles[0].modality, roles[1].modality):
        return of_fixed, of_moving
    return of_moving, of_fixed


def _fused(
    roles: tuple[Role, Role],
    transform: sitk.Transform,
    region: sitk.Image | None,
    settings: FusionSettings,
    neighbours: np.ndarray,
    fuse: Callable[..., FusedSlices],
) -> tuple[FusedSlices, np.ndarray]:
    """What the network makes of the two volumes, its share the fixed volume's; and the slices of the result.

    The sources on the fixed grid are gone when it returns: the images made next take as much memory again.
    """
    whole = align(*roles, settings, transform)
    pair = _limited(whole, region, settings)
    fused = fuse(*_in_order(roles, *_network_input(whole, pair, neighbours)))
    slices = _joined(fused, pair, roles, settings)
    return replace(fused, share=_contribution(fused.share, pair, roles)), slices


def _limited(pair: AlignedPair, region: sitk.Image | None, settings: FusionSettings) -> AlignedPair:
    """The pair with nothing taken from the moving volume outside the region."""
    if region is None:
        return pair
    return replace(pair, coverage=pair.coverage * to_slices(region, settings.plane))


def _network_input(whole: AlignedPair, limited: AlignedPair, neighbours: np.ndarray) -> tuple[Seen, Seen]:
    """The fixed and the moving slices as the network sees them, zero where nobody wants them fused."""
    reached, asked = (np.array([inside.any() for inside in pair.coverage], bool) for pair in (whole, limited))
    # A slice at the region's end has the same neighbours as without a region.
    wanted = np.logical_and(reached, within_reach(asked, neighbours))
    fixed, moving = (
        Seen(source, wanted, whole.fixed.luminance, whole.coverage)
        for source in (whole.fixed.luminance, whole.moving.luminance)
    )
    return fixed, moving


def _joined(fused: FusedSlices, pair: AlignedPair, roles: tuple[Role, Role], settings: FusionSettings) -> np.ndarray:
    """The network's slices with what lies outside the moving field of view, changed in place, and in colour if any."""
    one_has_colour = (pair.fixed.chrominance is None) != (pair.moving.chrominance is None)
    if fused.share is not None and any(role.colour_table for role in roles) and one_has_colour:
        return _bound(fused, pair, roles, settings)
    for own, fixed_slice, inside in zip(fused.slices, pair.fixed.luminance, pair.coverage, strict=True):
        own[...] = blend(own, fixed_slice, inside)
    fixed, moving = (
        fade_colour(source, strength)
        for source, strength in zip((pair.fixed, pair.moving), _strengths(settings), strict=True)
    )
    return in_colour(fused.slices, fixed, moving, pair.coverage)


def _bound(fused: FusedSlices, pair: AlignedPair, roles: tuple[Role, Role], settings: FusionSettings) -> np.ndarray:
    """RGB slices (S, H, W, 3) uint8 whose colour is that of the one source that a colour table shows."""
    from CSAFusionLib.fusion.uptake_colour import bind_colour

    assert fused.share is not None
    functional = 0 if roles[0].colour_table else 1
    table, uptake = roles[functional].colour_table, (pair.fixed, pair.moving)[functional].uptake
    assert table is not None
    assert uptake is not None
    strengths = _strengths(settings)
    rgb = np.empty((*fused.slices.shape, 3), np.uint8)
    for index, own in enumerate(fused.slices):
        inside, share = pair.coverage[index], fused.share[index]
        share_of_anatomy = _in_order(roles, share, 1 - share)[1 - functional]
        bound = bind_colour(
            (uptake[index] * inside if functional else uptake[index])[None],
            table,
            blend(own, pair.fixed.luminance[index], inside)[None],
            (own * share_of_anatomy)[None],
            np.ones_like(inside)[None] if functional else inside[None],
            pixel=slice_spacing(roles[0].volume.image, settings.plane)[1:],
            strengths=(strengths[functional], strengths[1 - functional]),
        )
        rgb[index] = np.round(bound[0] * 255)
    return rgb


def _strengths(settings: FusionSettings) -> tuple[float, float]:
    """How much the fixed and the moving source count beside the network's own balance."""
    return 1 - settings.balance, 1 + settings.balance


def _contribution(share_of_a: np.ndarray | None, pair: AlignedPair, roles: tuple[Role, Role]) -> np.ndarray | None:
    """The slices of the fixed volume's share, which is everything where the moving one does not reach."""
    if share_of_a is None:
        return None
    share, _ = _in_order(roles, share_of_a, 1 - share_of_a)
    for own, inside in zip(share, pair.coverage, strict=True):
        own[...] = blend(own, np.ones_like(own), inside)
    return share


def _provenance(
    roles: tuple[Role, Role], registration: RegistrationResult, settings: FusionSettings, warnings: list[str]
) -> dict[str, Any]:
    sources: dict[str, Any] = {name: role.describe() for name, role in zip(("fixed", "moving"), roles, strict=True)}
    plane = settled_plane(roles[0].volume.image, settings.plane)
    return sources | {
        "plane": plane.value,
        "registration": describe_registration(registration),
        "warnings": warnings,
    }


def _on_demand(
    roles: tuple[Role, Role], settings: FusionSettings, transform: sitk.Transform, fused: sitk.Image
) -> dict[str, Callable[[], Any]]:
    """What makes the parts of a result that few ask for."""
    reference, plane = roles[0].volume.image, settings.plane
    on_grid = cache(partial(moving_on_grid, *roles, transform))

    def sources() -> tuple[Source, Source]:
        return roles[0].to_source(slices_view(reference, plane)), roles[1].to_source(slices_view(on_grid(), plane))

    def figures() -> dict[str, list[float]]:
        fixed, moving = sources()
        return slice_figures(brightness(to_slices(fused, plane)), fixed.luminance, moving.luminance)

    return {
        "moving_on_grid": lambda: own_values(on_grid(), roles[1].volume),
        "fixed_mapped": lambda: from_slices(to_pixels(sources()[0]), reference, plane),
        "moving_mapped": lambda: from_slices(to_pixels(sources()[1]), reference, plane),
        "figures": figures,
        "field_of_view": lambda: field_of_view(roles[1].volume.image, reference, transform),
    }
