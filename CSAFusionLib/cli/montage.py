"""One picture of a fusion: fixed, registered moving, overlay and fused, a few slices below each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from CSAFusionLib.geometry.planes import Plane, slice_spacing, to_slices

if TYPE_CHECKING:
    from CSAFusionLib.fusion.pipeline import FusionResult

TITLES = ("Fixed", "Moving, registered", "Overlay", "Fused")

_TILE = 256  # pixels of a tile's longer side
_GAP = 4
_BAND = 24  # pixels of the titles' band
_PAPER = (24, 24, 24)
_BACKGROUND = 0.05
_MARGIN = 4  # voxels left round what is shown

Row = tuple[np.ndarray, np.ndarray, np.ndarray]


def montage(rows: Sequence[Row], pixel: tuple[float, float] = (1, 1)) -> np.ndarray:
    """Draw rows of (fixed, moving, fused) slices under their titles, with the overlay added.

    Args:
        rows: slices in [0, 1], grey (H, W) or RGB (H, W, 3), all of one height and width.
        pixel: height and width of a pixel in mm; the tiles keep the patient's proportions.

    Returns:
        uint8 (H, W, 3).
    """
    height, width = _tile_size(rows[0][0].shape[:2], pixel)
    canvas = Image.new("RGB", (len(TITLES) * (width + _GAP) - _GAP, _BAND + len(rows) * (height + _GAP) - _GAP), _PAPER)
    for column, title in enumerate(TITLES):
        _write_title(canvas, title, column * (width + _GAP))
    for index, (fixed, moving, fused) in enumerate(rows):
        for column, tile in enumerate((fixed, moving, overlay(fixed, moving), fused)):
            picture = Image.fromarray(_to_bytes(tile)).resize((width, height), Image.Resampling.BICUBIC)
            canvas.paste(picture, (column * (width + _GAP), _BAND + index * (height + _GAP)))
    return np.asarray(canvas)


def rows_of(result: FusionResult, plane: Plane, count: int = 4) -> list[Row]:
    """The slices of a fusion worth showing, spread over what the moving volume covers, without empty borders."""
    fixed, moving, fused = (
        _to_unit(to_slices(image, plane)) for image in (result.fixed_mapped, result.moving_mapped, result.fused)
    )
    shown = _spread(moving, count)
    window = _bounding_box(np.maximum(_brightness(fixed[shown]), _brightness(moving[shown])).max(axis=0))
    return [(fixed[index][window], moving[index][window], fused[index][window]) for index in shown]


def montage_of(result: FusionResult, plane: Plane) -> np.ndarray:
    """The montage (H, W, 3) uint8 of a fused volume, in slices of ``plane``."""
    _, height, width = slice_spacing(result.fused, plane)
    return montage(rows_of(result, plane), (height, width))


def overlay(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Both slices in one, RGB (H, W, 3): grey ones in magenta and green, white where they agree; else half of each."""
    if fixed.ndim == moving.ndim == 2:
        return np.stack([fixed, moving, fixed], axis=-1)
    return (_to_rgb(fixed) + _to_rgb(moving)) / 2


def _spread(slices: np.ndarray, count: int) -> list[int]:
    """Indices that cut what the slices show into equal parts, each once."""
    shown = np.cumsum(slices.reshape(len(slices), -1).sum(axis=1, dtype=np.float64))
    shares = (np.arange(count) + 0.5) / count * shown[-1]
    return sorted(set(np.searchsorted(shown, shares).tolist()))


def _bounding_box(brightness: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold everything brighter than a dark background, and a little round it."""
    box = []
    for axis in (1, 0):
        filled = np.flatnonzero((brightness > _BACKGROUND).any(axis=axis))
        box.append(slice(max(0, filled[0] - _MARGIN), filled[-1] + 1 + _MARGIN) if filled.size else slice(None))
    return box[0], box[1]


def _brightness(slices: np.ndarray) -> np.ndarray:
    return slices.max(axis=-1) if slices.ndim == 4 else slices


def _tile_size(shape: tuple[int, ...], pixel: tuple[float, float]) -> tuple[int, int]:
    sides = np.array(shape) * pixel
    height, width = np.maximum(1, np.round(sides / sides.max() * _TILE)).astype(int).tolist()
    return height, width


def _write_title(canvas: Image.Image, title: str, left: int) -> None:
    ImageDraw.Draw(canvas).text((left + 6, 5), title, fill=(230, 230, 230), font=ImageFont.load_default(size=13))


def _to_unit(slices: np.ndarray) -> np.ndarray:
    return slices / np.float32(255) if slices.dtype == np.uint8 else slices


def _to_rgb(tile: np.ndarray) -> np.ndarray:
    return tile if tile.ndim == 3 else np.repeat(tile[..., None], 3, axis=-1)


def _to_bytes(tile: np.ndarray) -> np.ndarray:
    return np.round(_to_rgb(np.clip(tile, 0, 1)) * 255).astype(np.uint8)
