"""Sheets of slices: tiles in rows under the titles of their columns, and what of a stack is worth a tile."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TILE = 256  # pixels of a tile's longer side
_LEAST = 128  # pixels of its shorter side, as long as the longer one does not exceed the next number
_MOST = 512
_GAP = 4
_BAND = 24  # pixels of the titles' band
_PAPER = (24, 24, 24)
_BACKGROUND = 0.05
_MARGIN = 4  # voxels left round what is shown
_WHOLE = 0.9
"""A slice that has this share of what the fullest one has is not cut."""
_FONT_MARGIN = 12


def sheet(rows: Sequence[tuple[Sequence[np.ndarray], tuple[float, float]]], titles: Sequence[str]) -> np.ndarray:
    """Draw rows of tiles under the titles of their columns, each tile in the middle of its cell.

    Args:
        rows: of each row, one tile for each title, in [0, 1], grey (H, W) or RGB (H, W, 3), all of one height and
          width; and the height and width of its pixels in mm.

    Returns:
        uint8 (H, W, 3).
    """
    sizes = [tile_size(tiles[0].shape[:2], pixel) for tiles, pixel in rows]
    cell = max(*(width for _, width in sizes), *(_FONT_MARGIN + _length(title) for title in titles))
    tops = np.cumsum([_BAND, *(height + _GAP for height, _ in sizes)]).tolist()
    canvas = Image.new("RGB", (len(titles) * (cell + _GAP) - _GAP, tops[-1] - _GAP), _PAPER)
    for column, title in enumerate(titles):
        _write_title(canvas, title, column * (cell + _GAP))
    for (tiles, _), (height, width), top in zip(rows, sizes, tops, strict=False):
        for column, tile in enumerate(tiles):
            picture = Image.fromarray(_to_bytes(tile)).resize((width, height), Image.Resampling.BICUBIC)
            canvas.paste(picture, (column * (cell + _GAP) + (cell - width) // 2, top))
    return np.asarray(canvas)


def spread(slices: np.ndarray, count: int, covered: np.ndarray | None = None) -> list[int]:
    """Indices that cut what the slices show into equal parts, each once.

    covered: how much of each slice (S,) there is; slices that are cut are left out. None takes all for whole.
    """
    content = slices.reshape(len(slices), -1).sum(axis=1, dtype=np.float64)
    if covered is not None:
        whole = np.where(covered >= _WHOLE * covered.max(), content, 0)
        content = whole if whole.any() else content
    shown = np.cumsum(content)
    shares = (np.arange(count) + 0.5) / count * shown[-1]
    return sorted(set(np.searchsorted(shown, shares).tolist()))


def bounding_box(brightness: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold everything brighter than a dark background, and a little round it."""
    box = []
    for axis in (1, 0):
        filled = np.flatnonzero((brightness > _BACKGROUND).any(axis=axis))
        box.append(slice(max(0, filled[0] - _MARGIN), filled[-1] + 1 + _MARGIN) if filled.size else slice(None))
    return box[0], box[1]


def to_rgb(tile: np.ndarray) -> np.ndarray:
    """A grey (H, W) or RGB (H, W, 3) tile as RGB."""
    return tile if tile.ndim == 3 else np.repeat(tile[..., None], 3, axis=-1)


def tile_size(shape: tuple[int, ...], pixel: tuple[float, float]) -> tuple[int, int]:
    """Height and width at which a slice of this shape is drawn, its pixels being of this height and width in mm."""
    sides = np.array(shape) * pixel
    scale = max(_TILE / sides.max(), min(_LEAST / sides.min(), _MOST / sides.max()))
    height, width = np.maximum(1, np.round(sides * scale)).astype(int).tolist()
    return height, width


def _write_title(canvas: Image.Image, title: str, left: int) -> None:
    ImageDraw.Draw(canvas).text((left + _FONT_MARGIN // 2, 5), title, fill=(230, 230, 230), font=_font())


def _length(title: str) -> int:
    return math.ceil(_font().getlength(title))


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=13)


def _to_bytes(tile: np.ndarray) -> np.ndarray:
    return np.round(to_rgb(np.clip(tile, 0, 1)) * 255).astype(np.uint8)
