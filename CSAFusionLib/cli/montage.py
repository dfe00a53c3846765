"""One picture of a fusion: fixed, registered moving, overlay and fused, a few slices below each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.cli.sheet import bounding_box, sheet, spread, to_rgb
from CSAFusionLib.geometry.planes import Plane, slice_spacing, to_slices

if TYPE_CHECKING:
    from CSAFusionLib.fusion.pipeline import FusionResult

TITLES = ("Fixed", "Moving, registered", "Overlay", "Fused")

Row = tuple[np.ndarray, np.ndarray, np.ndarray]


def montage(rows: Sequence[Row], pixel: tuple[float, float] = (1, 1)) -> np.ndarray:
    """Draw rows of (fixed, moving, fused) slices under their titles, with the overlay added.

    Args:
        rows: slices in [0, 1], grey (H, W) or RGB (H, W, 3), all of one height and width.
        pixel: height and width of a pixel in mm; the tiles keep the patient's proportions.

    Returns:
        uint8 (H, W, 3).
    """
    return sheet([((fixed, moving, overlay(fixed, moving), fused), pixel) for fixed, moving, fused in rows], TITLES)


def rows_of(result: FusionResult, plane: Plane, count: int = 4) -> list[Row]:
    """The slices of a fusion worth showing, spread over what the moving volume covers, without empty borders."""
    fixed, moving, fused = (
        _to_unit(to_slices(image, plane)) for image in (result.fixed_mapped, result.moving_mapped, result.fused)
    )
    shown = spread(moving, count)
    window = bounding_box(np.maximum(_brightness(fixed[shown]), _brightness(moving[shown])).max(axis=0))
    return [(fixed[index][window], moving[index][window], fused[index][window]) for index in shown]


def montage_of(result: FusionResult, plane: Plane) -> np.ndarray:
    """The montage (H, W, 3) uint8 of a fused volume, in slices of ``plane``."""
    _, height, width = slice_spacing(result.fused, plane)
    return montage(rows_of(result, plane), (height, width))


def overlay(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Both slices in one, RGB (H, W, 3): grey ones in magenta and green, white where they agree; else half of each."""
    if fixed.ndim == moving.ndim == 2:
        return np.stack([fixed, moving, fixed], axis=-1)
    return (to_rgb(fixed) + to_rgb(moving)) / 2


def _brightness(slices: np.ndarray) -> np.ndarray:
    return slices.max(axis=-1) if slices.ndim == 4 else slices


def _to_unit(slices: np.ndarray) -> np.ndarray:
    return slices / np.float32(255) if slices.dtype == np.uint8 else slices
