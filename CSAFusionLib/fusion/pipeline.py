"""Two volumes in, one fused volume out, exactly on the grid of the fixed one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.fusion.alignment import AlignedPair, Role, align, find_roles
from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.fusion.inference import fuse_slices
from CSAFusionLib.fusion.provenance import describe_registration, describe_run
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.sources import Source, blend, fixed_is_a, join_chrominance, seen_by_network, to_rgb
from CSAFusionLib.geometry.planes import from_slices
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.result import RegistrationResult
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.weights.catalogue import choose_weights, load_network

T = TypeVar("T")


@dataclass(frozen=True)
class FusionResult:
    """A fused volume and everything that led to it; every image is on the fixed volume's grid.

    ``fused``, ``fixed_mapped`` and ``moving_mapped`` (the two inputs as they were fused) are scalar float32 in [0, 1],
    or uint8 RGB vectors where they have colour. ``moving_on_grid`` keeps the moving volume's own intensities.
    """

    fused: sitk.Image
    fixed_mapped: sitk.Image
    moving_mapped: sitk.Image
    moving_on_grid: sitk.Image
    registration: RegistrationResult
    provenance: dict[str, Any]
    warnings: list[str]


def fuse_volumes(
    fixed: Volume,
    moving: Volume,
    settings: FusionSettings,
    *,
    registration: RegistrationResult | None = None,
    progress: Progress = silent,
) -> FusionResult:
    """Register the moving volume to the fixed one, and fuse the two slice by slice on the fixed volume's grid.

    Where the moving volume does not reach, the result is the fixed volume as it was mapped to [0, 1].

    Args:
        registration: an alignment already known; ``settings.registration`` is then not run.

    Raises:
        InputError: a volume, a setting or the weights cannot be used, or the volumes do not overlap.
        RegistrationError: the registration engine failed or is not installed.
        Cancelled: from ``progress``.
    """
    check_volume(fixed)
    check_volume(moving)
    roles = find_roles(fixed, moving, settings)
    a_and_b = _in_order(roles, *(role.modality for role in roles))
    network, weights = load_network(settings.weights or choose_weights(*a_and_b))
    device = choose_device(settings.device)

    registration = registration or _register(fixed, moving, settings, progress)
    progress("Resampling", 0, 0)
    pair = align(*roles, settings, registration.transform)
    seen = seen_by_network(pair.fixed.luminance, pair.moving.luminance, pair.coverage)
    fused = fuse_slices(network, *_in_order(roles, pair.fixed.luminance, seen), device, settings.batch_size, progress)
    warnings = [role.mapping.note for role in roles if role.mapping.note] + fused.warnings
    provenance = describe_run(settings, weights, fused.device) | {
        "fixed": roles[0].describe(),
        "moving": roles[1].describe(),
        "registration": describe_registration(registration),
        "warnings": warnings,
    }
    progress("Writing colour and geometry", 0, 0)
    return FusionResult(
        fused=_to_image(_joined(fused.slices, pair), fixed, settings),
        fixed_mapped=_to_image(pair.fixed, fixed, settings),
        moving_mapped=_to_image(pair.moving, fixed, settings),
        moving_on_grid=pair.moving_on_grid,
        registration=registration,
        provenance=provenance,
        warnings=warnings,
    )


def _register(fixed: Volume, moving: Volume, settings: FusionSettings, progress: Progress) -> RegistrationResult:
    method, model = settings.registration, settings.transform_model
    return register(fixed, moving, method, model, seed=settings.seed, progress=progress)


def _in_order(roles: tuple[Role, Role], of_fixed: T, of_moving: T) -> tuple[T, T]:
    """What belongs to the fixed and to the moving volume, as (A, B) of the network."""
    if fixed_is_a(roles[0].modality, roles[1].modality):
        return of_fixed, of_moving
    return of_moving, of_fixed


def _joined(fused: np.ndarray, pair: AlignedPair) -> Source:
    """The network's slices with what lies outside the moving field of view, and the sources' colour."""
    luminance = blend(fused, pair.fixed.luminance, pair.coverage)
    return Source(luminance, join_chrominance(pair.fixed, pair.moving, pair.coverage))


def _to_image(source: Source, fixed: Volume, settings: FusionSettings) -> sitk.Image:
    slices = source.luminance if source.chrominance is None else to_rgb(source.luminance, source.chrominance)
    return from_slices(slices, fixed.image, settings.plane)
