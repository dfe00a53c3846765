"""Pairs of 2-D pictures that are aligned already: no registration, no geometry, intensities as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.colour import Source
from CSAFusionLib.fusion.colouring import in_colour
from CSAFusionLib.fusion.device import choose_device
from CSAFusionLib.fusion.result import describe_run
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.slices import STAGE
from CSAFusionLib.fusion.source_pair import fixed_is_a
from CSAFusionLib.intensity.modality import Modality, grey_quartiles, is_t2_beside
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.weights.weights_file import choose_weights, load_network


@dataclass(frozen=True)
class FusedPictures:
    """The fused pictures, uint8 (H, W) or (H, W, 3), and what they were made with."""

    pictures: list[np.ndarray]
    provenance: dict[str, Any]


def fuse_pictures(
    fixed: Sequence[np.ndarray],
    moving: Sequence[np.ndarray],
    settings: FusionSettings,
    progress: Progress = silent,
) -> FusedPictures:
    """Fuse each fixed picture with the moving one of the same index.

    A modality that the settings leave open is PET for pictures in colour and MR for grey ones.

    Args:
        fixed, moving: pictures in [0, 1], grey (H, W) or RGB (H, W, 3).

    Raises:
        InputError: two pictures of a pair differ in size, or the weights or the device cannot be used.
        Cancelled: from ``progress``, between pictures.
    """
    device = choose_device(settings.device)
    from CSAFusionLib.fusion.slices import fuse_slices
    from CSAFusionLib.fusion.weight_maps import strengths_of

    modalities = (settings.fixed_modality or _modality_of(fixed), settings.moving_modality or _modality_of(moving))
    a_first = fixed_is_a(*modalities)
    if modalities == (Modality.MR, Modality.MR):
        a_first = not is_t2_beside(*(grey_quartiles(pictures) for pictures in (fixed, moving)))
    network, weights = load_network(settings.weights or choose_weights(*(modalities if a_first else modalities[::-1])))
    strengths = strengths_of(network.configuration, a_first, settings.balance)
    pictures: list[np.ndarray] = []
    warnings: list[str] = []
    for index, pair in enumerate(zip(fixed, moving, strict=True)):
        progress(STAGE, index, len(fixed))
        sources = _to_sources(*pair)
        a, b = sources if a_first else sources[::-1]
        fused = fuse_slices(
            network, a.luminance, b.luminance, device, strengths=strengths, batch_size=settings.batch_size
        )
        pictures.append(_to_picture(fused.slices, *sources))
        device = fused.device
        warnings += fused.warnings
    progress(STAGE, len(fixed), len(fixed))
    provenance = describe_run(settings, weights, device) | {
        "fixed": {"modality": modalities[0].name, "modality_is_guessed": settings.fixed_modality is None},
        "moving": {"modality": modalities[1].name, "modality_is_guessed": settings.moving_modality is None},
        "warnings": warnings,
    }
    return FusedPictures(pictures, provenance)


def _modality_of(pictures: Sequence[np.ndarray]) -> Modality:
    return Modality.PET if any(picture.ndim == 3 for picture in pictures) else Modality.MR


def _to_sources(fixed: np.ndarray, moving: np.ndarray) -> tuple[Source, Source]:
    if fixed.shape[:2] != moving.shape[:2]:
        sizes = " and ".join("{1} x {0}".format(*picture.shape) for picture in (fixed, moving))
        raise InputError(f"Two pictures of one pair are {sizes} pixels; both must have the same size.")
    return Source.from_slices([fixed], 1), Source.from_slices([moving], 1)


def _to_picture(fused: np.ndarray, fixed: Source, moving: Source) -> np.ndarray:
    pixels = in_colour(fused, fixed, moving, np.ones_like(fused))[0]
    return pixels if pixels.ndim == 3 else np.round(pixels * 255).astype(np.uint8)
