"""Sheets of slices: tiles in rows under the titles of their columns, and what of a stack is worth a tile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TILE = 256  # pixels of a tile's longer side
_GAP = 4
_BAND = 24  # pixels of the titles' band
_PAPER = (24, 24, 24)
_BACKGROUND = 0.05
_MARGIN = 4  # voxels left round what is shown


def sheet(rows: Sequence[tuple[Sequence[np.ndarray], tuple[float, float]]], titles: Sequence[str]) -> np.ndarray:
    """Draw rows of tiles under the titles of their columns, each tile in the middle of its cell.

    Args:
        rows: of each row, one tile for each title, in [0, 1], grey (H, W) or RGB (H, W, 3), all of one height and
          width; and the height and width of its pixels in mm.

    Returns:
        uint8 (H, W, 3).
    """
    sizes = [tile_size(tiles[0].shape[:2], pixel) for tiles, pixel in rows]
    cell = max(width for _, width in sizes)
    tops = np.cumsum([_BAND, *(height + _GAP for height, _ in sizes)]).tolist()
    canvas = Image.new("RGB", (len(titles) * (cell + _GAP) - _GAP, tops[-1] - _GAP), _PAPER)
    for column, title in enumerate(titles):
        _write_title(canvas, title, column * (cell + _GAP))
    for (tiles, _), (height, width), top in zip(rows, sizes, tops, strict=False):
        for column, tile in enumerate(tiles):
            picture = Image.fromarray(_to_bytes(tile)).resize((width, height), Image.Resampling.BICUBIC)
            canvas.paste(picture, (column * (cell + _GAP) + (cell - width) // 2, top))
    return np.asarray(canvas)


def spread(slices: np.ndarray, count: int) -> list[int]:
    """Indices that cut what the slices show into equal parts, each once."""
    shown = np.cumsum(slices.reshape(len(slices), -1).sum(axis=1, dtype=np.float64))
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
    height, width = np.maximum(1, np.round(sides / sides.max() * _TILE)).astype(int).tolist()
    return height, width


def _write_title(canvas: Image.Image, title: str, left: int) -> None:
    ImageDraw.Draw(canvas).text((left + 6, 5), title, fill=(230, 230, 230), font=ImageFont.load_default(size=13))


def _to_bytes(tile: np.ndarray) -> np.ndarray:
    return np.round(to_rgb(np.clip(tile, 0, 1)) * 255).astype(np.uint8)
