"""Two volumes in, one fused volume out, exactly on the grid of the fixed one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.fusion.alignment import AlignedPair, Role, align, find_roles
from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.fusion.provenance import describe_registration, describe_run
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.slice_figures import slice_figures
from CSAFusionLib.fusion.sources import (
    Source,
    blend,
    fade_colour,
    fixed_is_a,
    join_chrominance,
    seen_by_network,
    to_rgb,
)
from CSAFusionLib.fusion.steadiness import neighbour_weights, within_reach
from CSAFusionLib.geometry.planes import from_slices, slice_spacing, to_slices
from CSAFusionLib.intensity.numeric_range import own_values
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.check.examine import examine
from CSAFusionLib.registration.check.verdict import Level
from CSAFusionLib.registration.preparation import prepare
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.result import RegistrationResult
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume, notes_of
from CSAFusionLib.weights.catalogue import choose_weights, load_network

if TYPE_CHECKING:
    from CSAFusionLib.fusion.slices import FusedSlices

T = TypeVar("T")


@dataclass(frozen=True)
class FusionResult:
    """A fused volume and everything that led to it; every image is on the fixed volume's grid.

    ``fused``, ``fixed_mapped`` and ``moving_mapped`` (the two inputs as they were fused) are scalar float32 in [0, 1],
    or uint8 RGB vectors where they have colour. ``moving_on_grid`` keeps the moving volume's own intensities.
    ``contribution`` is the share of the fused value that comes from the fixed volume, float32 in [0, 1]; None where it
    was not asked for, and for weights that predict pixels. ``figures`` are those of
    :func:`CSAFusionLib.fusion.slice_figures.slice_figures`.
    """

    fused: sitk.Image
    fixed_mapped: sitk.Image
    moving_mapped: sitk.Image
    moving_on_grid: sitk.Image
    registration: RegistrationResult
    provenance: dict[str, Any]
    warnings: list[str]
    contribution: sitk.Image | None = None
    figures: dict[str, list[float]] = field(default_factory=dict)


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
        InputError: a volume, a setting or the weights cannot be used, or the volumes do not overlap.
        RegistrationError: the registration engine failed or is not installed.
        Cancelled: from ``progress``.
    """
    from CSAFusionLib.fusion.slices import fuse_slices
    from CSAFusionLib.fusion.weighting import strengths_of

    check_volume(fixed)
    check_volume(moving)
    roles = find_roles(fixed, moving, settings)
    fixed, moving = (role.volume for role in roles)
    a_and_b = _in_order(roles, *(role.modality for role in roles))
    network, weights = load_network(settings.weights or choose_weights(*a_and_b))
    strengths = strengths_of(network.configuration, fixed_is_a(*(role.modality for role in roles)), settings.balance)
    neighbours = neighbour_weights(slice_spacing(fixed.image, settings.plane)[0], settings.steadiness)
    device = choose_device(settings.device)

    registration = _checked(registration or _register(fixed, moving, settings, progress), fixed, moving, progress)
    progress("Resampling", 0, 0)
    whole = align(*roles, settings, registration.transform)
    pair = _limited(whole, region, settings)
    fused = fuse_slices(
        network,
        *_in_order(roles, *_network_input(whole, pair, neighbours)),
        device,
        strengths=strengths,
        neighbours=neighbours,
        batch_size=settings.batch_size,
        progress=progress,
    )
    mapped = [role.mapping.note for role in roles if role.mapping.note]
    warnings = [*notes_of(fixed, moving), *_warnings(registration), *mapped, *fused.warnings]
    sources = {name: role.describe() for name, role in zip(("fixed", "moving"), roles, strict=True)}
    how = {"registration": describe_registration(registration), "warnings": warnings}
    progress("Writing colour and geometry", 0, 0)
    joined = _joined(fused, pair, roles, settings)
    return FusionResult(
        fused=_to_image(joined, fixed, settings),
        fixed_mapped=_to_image(pair.fixed, fixed, settings),
        moving_mapped=_to_image(pair.moving, fixed, settings),
        moving_on_grid=own_values(pair.moving_on_grid, moving),
        registration=registration,
        provenance=describe_run(settings, weights, fused.device) | sources | how,
        warnings=warnings,
        contribution=_contribution(fused.share, pair, roles, settings) if contribution else None,
        figures=slice_figures(joined.luminance, pair.fixed.luminance, pair.moving.luminance),
    )


def _register(fixed: Volume, moving: Volume, settings: FusionSettings, progress: Progress) -> RegistrationResult:
    method, model = settings.registration, settings.transform_model
    return register(fixed, moving, method, model, seed=settings.seed, threads=settings.threads, progress=progress)


def _checked(registration: RegistrationResult, fixed: Volume, moving: Volume, progress: Progress) -> RegistrationResult:
    """The registration with a verdict on it, which one that was given may lack."""
    if registration.verdict is not None:
        return registration
    check = examine(prepare(fixed), prepare(moving), registration.transform, progress=progress)
    return replace(registration, metric=check.figures, verdict=check.verdict)


def _warnings(registration: RegistrationResult) -> list[str]:
    verdict = registration.verdict
    if verdict is None or verdict.level is Level.GOOD:
        return [*registration.warnings]
    return [*registration.warnings, f"The registration is {verdict.level.value}: {verdict.reason}"]


def _in_order(roles: tuple[Role, Role], of_fixed: T, of_moving: T) -> tuple[T, T]:
    """What belongs to the fixed and to the moving volume, as (A, B) of the network."""
    if fixed_is_a(roles[0].modality, roles[1].modality):
        return of_fixed, of_moving
    return of_moving, of_fixed


def _limited(pair: AlignedPair, region: sitk.Image | None, settings: FusionSettings) -> AlignedPair:
    """The pair with nothing taken from the moving volume outside the region."""
    if region is None:
        return pair
    return replace(pair, coverage=pair.coverage * to_slices(region, settings.plane))


def _network_input(whole: AlignedPair, limited: AlignedPair, neighbours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The fixed and the moving slices as the network sees them, zero where nobody wants them fused."""
    reached, asked = (np.any(pair.coverage > 0, axis=(1, 2)) for pair in (whole, limited))
    # A slice at the region's end has the same neighbours as without a region.
    wanted = np.logical_and(reached, within_reach(asked, neighbours))[:, None, None]
    seen = seen_by_network(whole.fixed.luminance, whole.moving.luminance, whole.coverage)
    return whole.fixed.luminance * wanted, seen * wanted


def _joined(fused: FusedSlices, pair: AlignedPair, roles: tuple[Role, Role], settings: FusionSettings) -> Source:
    """The network's slices with what lies outside the moving field of view, and the sources' colour."""
    luminance = blend(fused.slices, pair.fixed.luminance, pair.coverage)
    tables = [role.colour_table for role in roles]
    one_has_colour = (pair.fixed.chrominance is None) != (pair.moving.chrominance is None)
    if fused.share is not None and any(tables) and one_has_colour:
        return Source.from_slices(_bound(fused, luminance, pair, roles, settings))
    fixed, moving = (
        fade_colour(source, strength)
        for source, strength in zip((pair.fixed, pair.moving), _strengths(settings), strict=True)
    )
    return Source(luminance, join_chrominance(fixed, moving, pair.coverage))


def _bound(
    fused: FusedSlices, luminance: np.ndarray, pair: AlignedPair, roles: tuple[Role, Role], settings: FusionSettings
) -> np.ndarray:
    """RGB slices (S, H, W, 3) whose colour is that of the one source that a colour table shows."""
    from CSAFusionLib.fusion.uptake_colour import bind_colour

    assert fused.share is not None
    functional = 0 if roles[0].colour_table else 1
    table, uptake = roles[functional].colour_table, (pair.fixed, pair.moving)[functional].uptake
    assert table is not None
    assert uptake is not None
    share_of_anatomy = _in_order(roles, fused.share, 1 - fused.share)[1 - functional]
    strengths = _strengths(settings)
    everywhere = np.ones_like(pair.coverage)
    return bind_colour(
        uptake * pair.coverage if functional else uptake,
        table,
        luminance,
        fused.slices * share_of_anatomy,
        everywhere if functional else pair.coverage,
        pixel=slice_spacing(roles[0].volume.image, settings.plane)[1:],
        strengths=(strengths[functional], strengths[1 - functional]),
    )


def _strengths(settings: FusionSettings) -> tuple[float, float]:
    """How much the fixed and the moving source count beside the network's own balance."""
    return 1 - settings.balance, 1 + settings.balance


def _contribution(
    share_of_a: np.ndarray | None, pair: AlignedPair, roles: tuple[Role, Role], settings: FusionSettings
) -> sitk.Image | None:
    """The share of the fixed volume, which is everything where the moving one does not reach."""
    if share_of_a is None:
        return None
    share, _ = _in_order(roles, share_of_a, 1 - share_of_a)
    share = blend(share, np.ones_like(share), pair.coverage)
    return from_slices(share, roles[0].volume.image, settings.plane)


def _to_image(source: Source, fixed: Volume, settings: FusionSettings) -> sitk.Image:
    slices = source.luminance if source.chrominance is None else to_rgb(source.luminance, source.chrominance)
    return from_slices(slices, fixed.image, settings.plane)
