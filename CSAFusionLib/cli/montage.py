"""One picture of a fusion: fixed, registered moving, overlay and fused, a few slices below each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.cli.sheet import bounding_box, sheet, spread, to_rgb
from CSAFusionLib.geometry.planes import Plane, slice_spacing, slices_view, to_slices

if TYPE_CHECKING:
    from CSAFusionLib.fusion.pipeline import FusionResult

TITLES = ("Fixed", "Moving, registered", "Overlay", "Fused")

_SMALL = 0.6
"""What is no longer nor wider than this share of what all slices show is shown larger: a head in a whole body."""

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
    shown = spread(moving, count, _covered(result, plane))
    bright = np.maximum(_brightness(fixed[shown]), _brightness(moving[shown]))
    return [
        (fixed[index][window], moving[index][window], fused[index][window])
        for index, window in zip(shown, _windows(bright), strict=True)
    ]


def montage_of(result: FusionResult, plane: Plane) -> np.ndarray:
    """The montage (H, W, 3) uint8 of a fused volume, in slices of ``plane``."""
    _, height, width = slice_spacing(result.fused, plane)
    return montage(rows_of(result, plane), (height, width))


def overlay(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Both slices in one, RGB (H, W, 3): grey ones in magenta and green, white where they agree; else half of each."""
    if fixed.ndim == moving.ndim == 2:
        return np.stack([fixed, moving, fixed], axis=-1)
    return (to_rgb(fixed) + to_rgb(moving)) / 2


def _windows(bright: np.ndarray) -> list[tuple[slice, slice]]:
    """What to show of each slice (S, H, W): the same of all, so that sizes compare, but less of a far smaller one."""
    common = bounding_box(bright.max(axis=0))
    own = [bounding_box(one) for one in bright]
    most = np.multiply(bright[0][common].shape, _SMALL)
    small = [bool((np.array(one[window].shape) <= most).all()) for one, window in zip(bright, own, strict=True)]
    return [window if is_small else common for window, is_small in zip(own, small, strict=True)]


def _covered(result: FusionResult, plane: Plane) -> np.ndarray | None:
    """How many pixels of each slice (S,) the moving volume reaches; None where nobody knows."""
    if result.field_of_view is None:
        return None
    inside = slices_view(result.field_of_view, plane)
    return np.count_nonzero(inside, axis=(1, 2))


def _brightness(slices: np.ndarray) -> np.ndarray:
    return slices.max(axis=-1) if slices.ndim == 4 else slices


def _to_unit(slices: np.ndarray) -> np.ndarray:
    return slices / np.float32(255) if slices.dtype == np.uint8 else slices
