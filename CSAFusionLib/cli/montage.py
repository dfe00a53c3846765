"""Pictures of a fusion and of a registration: slices of inputs and results, in rows under titles.

Below the columns of a fusion are grey or colour bars with values and unit, or a two-colour square.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont

from CSAFusionLib.fusion.colour import apply_colour_table
from CSAFusionLib.fusion.colouring import two_colours
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.fusion.source_pair import AlignedPair, SourcePair
from CSAFusionLib.geometry.planes import Plane, slice_spacing, slices_view, to_slices
from CSAFusionLib.volumes.volume import Volume

_TILE = 256  # pixels of a tile's longer side
_LEAST = 128  # pixels of its shorter side, as long as the longer one does not exceed the next number
_MOST = 512
GAP = 4
_BAND = 24  # pixels of the titles' band
_PAPER = (24, 24, 24)
_BACKGROUND = 0.05
_MARGIN = 4  # voxels of margin around the content
_WHOLE = 0.9
"""A slice that covers at least this share of what the fullest slice covers counts as whole."""
_FONT_MARGIN = 12


def sheet(rows: Sequence[tuple[Sequence[np.ndarray], tuple[float, float]]], titles: Sequence[str]) -> np.ndarray:
    """Draw rows of tiles under the titles of their columns, each tile in the middle of its cell.

    Args:
        rows: for each row, one tile per title, in [0, 1], grey (H, W) or RGB (H, W, 3), all of the same height and
            width; and the height and width of its pixels in mm.

    Returns:
        uint8 (H, W, 3).
    """
    sizes = [tile_size(tiles[0].shape[:2], pixel) for tiles, pixel in rows]
    cell = max(*(width for _, width in sizes), *(_FONT_MARGIN + _length(title) for title in titles))
    tops = np.cumsum([_BAND, *(height + GAP for height, _ in sizes)]).tolist()
    canvas = Image.new("RGB", (len(titles) * (cell + GAP) - GAP, tops[-1] - GAP), _PAPER)
    for column, title in enumerate(titles):
        _write_title(canvas, title, column * (cell + GAP))
    for (tiles, _), (height, width), top in zip(rows, sizes, tops, strict=False):
        for column, tile in enumerate(tiles):
            picture = Image.fromarray(_to_bytes(tile)).resize((width, height), Image.Resampling.BICUBIC)
            canvas.paste(picture, (column * (cell + GAP) + (cell - width) // 2, top))
    return np.asarray(canvas)


def spread(slices: np.ndarray, count: int, covered: np.ndarray | None = None) -> list[int]:
    """Indices of slices that divide the content into equal parts, without repetition.

    covered: how much of each slice (S,) is covered; slices that are cut off are left out. None treats all as whole.
    """
    content = slices.reshape(len(slices), -1).sum(axis=1, dtype=np.float64)
    if covered is not None:
        whole = np.where(covered >= _WHOLE * covered.max(), content, 0)
        content = whole if whole.any() else content
    shown = np.cumsum(content)
    shares = (np.arange(count) + 0.5) / count * shown[-1]
    return sorted(set(np.searchsorted(shown, shares).tolist()))


def bounding_box(brightness: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold everything brighter than a dark background, with a small margin."""
    box = []
    for axis in (1, 0):
        filled = np.flatnonzero((brightness > _BACKGROUND).any(axis=axis))
        box.append(slice(max(0, filled[0] - _MARGIN), filled[-1] + 1 + _MARGIN) if filled.size else slice(None))
    return box[0], box[1]


def to_rgb(tile: np.ndarray) -> np.ndarray:
    """A grey (H, W) or RGB (H, W, 3) tile as RGB."""
    return tile if tile.ndim == 3 else np.repeat(tile[..., None], 3, axis=-1)


def tile_size(shape: tuple[int, ...], pixel: tuple[float, float]) -> tuple[int, int]:
    """Height and width at which a slice of this shape is drawn; ``pixel`` is the height and width of its pixels in
    mm."""
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


if TYPE_CHECKING:
    from CSAFusionLib.fusion.result import FusionResult

TITLES = ("Fixed", "Moving, registered", "Overlay", "Fused")

_SMALL = 0.6
"""Content of at most this share of the size of all slices' content is enlarged: a head in a whole body."""

_TITLES_OF_STYLES = {
    Style.FUSED: "Fused",
    Style.OVERLAY: "Overlay",
    Style.SIDE_BY_SIDE: "Side by side",
    Style.TWO_COLOUR: "Two colours",
}
# An overlay is not shown twice, and side by side is no more than the first two columns.
_COLUMNS = {
    Style.FUSED: (0, 1, 2, 3),
    Style.OVERLAY: (0, 1, 3),
    Style.SIDE_BY_SIDE: (0, 1),
    Style.TWO_COLOUR: (0, 1, 3),
}

Row = tuple[np.ndarray, np.ndarray, np.ndarray]


def montage(rows: Sequence[Row], pixel: tuple[float, float] = (1, 1)) -> np.ndarray:
    """Draw rows of (fixed, moving, fused) slices under their titles, with the overlay added.

    Args:
        rows: slices in [0, 1], grey (H, W) or RGB (H, W, 3), all of the same height and width.
        pixel: height and width of a pixel in mm; the tiles keep the patient's proportions.

    Returns:
        uint8 (H, W, 3).
    """
    return sheet([((fixed, moving, overlay(fixed, moving), fused), pixel) for fixed, moving, fused in rows], TITLES)


def rows_of(result: FusionResult, plane: Plane, count: int = 4) -> list[Row]:
    """The most informative slices of a fusion, spread over what the moving volume covers, without empty borders."""
    fixed, moving = (_to_unit(to_slices(image, plane)) for image in (result.fixed_mapped, result.moving_mapped))
    is_on_grid = result.fused.GetSize() == result.fixed_mapped.GetSize()
    fused = _to_unit(to_slices(result.fused, plane)) if is_on_grid else fixed
    shown = spread(moving, count, _covered(result, plane))
    bright = np.maximum(_brightness(fixed[shown]), _brightness(moving[shown]))
    return [
        (fixed[index][window], moving[index][window], fused[index][window])
        for index, window in zip(shown, _windows(bright), strict=True)
    ]


def montage_of(result: FusionResult, plane: Plane) -> np.ndarray:
    """The montage (H, W, 3) uint8 of a fused volume, in slices of ``plane``, with a key under each column."""
    _, height, width = slice_spacing(result.fixed_mapped, plane)
    style = _style_of(result.provenance)
    columns = _COLUMNS[style]
    titles = [(*TITLES[:3], _TITLES_OF_STYLES[style])[column] for column in columns]
    tiles: list[tuple[Sequence[np.ndarray], tuple[float, float]]] = [
        ([(fixed, moving, overlay(fixed, moving), fused)[column] for column in columns], (height, width))
        for fixed, moving, fused in rows_of(result, plane)
    ]
    picture = sheet(tiles, titles)
    if not (keys := _keys(result, style)):
        return picture
    cell = (picture.shape[1] + GAP) // len(titles) - GAP
    return np.concatenate([picture, band([keys[column] for column in columns], cell, GAP)])


def _style_of(provenance: Mapping[str, Any]) -> Style:
    name = provenance.get("settings", {}).get("style", Style.FUSED.name)
    return Style[name] if name in Style.__members__ else Style.FUSED


def _keys(result: FusionResult, style: Style) -> list[Key | None]:
    """The keys that say what black, white and the colours of each column stand for."""
    described = [result.provenance.get(role, {}) for role in ("fixed", "moving")]
    fixed, moving = map(key_of_input, described)
    if fixed is None and moving is None:
        return []
    in_grey = all(image.GetNumberOfComponentsPerPixel() == 1 for image in (result.fixed_mapped, result.moving_mapped))
    mixed = square(overlay, "fixed upwards, moving rightwards") if in_grey else None
    coloured = next((key for key, one in zip((fixed, moving), described, strict=True) if one.get("colour_table")), None)
    fused = coloured if coloured is not None else key_of_fused() if in_grey else None
    if style is Style.TWO_COLOUR:
        fused = square(two_colours, "fixed upwards, moving rightwards")
    half = None if coloured is None else replace(coloured, line=f"{coloured.line}, half seen")
    return [fixed, moving, mixed or half, fused]


def overlay(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Both slices in one, RGB (H, W, 3): grey ones in magenta and green, white where they agree; else half of each."""
    if fixed.ndim == moving.ndim == 2:
        return np.stack([fixed, moving, fixed], axis=-1)
    return (to_rgb(fixed) + to_rgb(moving)) / 2


def _windows(bright: np.ndarray) -> list[tuple[slice, slice]]:
    """The window of each slice (S, H, W): one for all, so that sizes compare; a smaller one for far smaller content."""
    common = bounding_box(bright.max(axis=0))
    own = [bounding_box(one) for one in bright]
    most = np.multiply(bright[0][common].shape, _SMALL)
    small = [bool((np.array(one[window].shape) <= most).all()) for one, window in zip(bright, own, strict=True)]
    return [window if is_small else common for window, is_small in zip(own, small, strict=True)]


def _covered(result: FusionResult, plane: Plane) -> np.ndarray | None:
    """How many pixels of each slice (S,) the moving volume reaches; None if unknown."""
    if result.field_of_view is None:
        return None
    inside = slices_view(result.field_of_view, plane)
    return np.count_nonzero(inside, axis=(1, 2))


def _brightness(slices: np.ndarray) -> np.ndarray:
    return slices.max(axis=-1) if slices.ndim == 4 else slices


def _to_unit(slices: np.ndarray) -> np.ndarray:
    return slices / np.float32(255) if slices.dtype == np.uint8 else slices


ALIGNMENT_TITLES = ("Fixed", "Moving, registered", "Checkerboard", "Its edges over fixed")
PLANES = (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL)


def alignment_picture(fixed: Volume, moving: Volume, transform: sitk.Transform) -> np.ndarray:
    """Draw the middle slices of the region that both volumes show, uint8 (H, W, 3).

    transform: from fixed to moving points, LPS mm.
    """
    sources = SourcePair.settle(fixed, moving, FusionSettings())
    pairs = {plane: AlignedPair.bring(replace(sources, plane=plane), transform) for plane in PLANES}
    return sheet([_row(pair, slice_spacing(fixed.image, plane)[1:]) for plane, pair in pairs.items()], ALIGNMENT_TITLES)


def _row(pair: AlignedPair, pixel: tuple[float, float]) -> tuple[tuple[np.ndarray, ...], tuple[float, float]]:
    covered = pair.coverage > 0
    fixed, moved = pair.fixed.luminance, pair.moving.luminance * covered
    middle = spread(fixed * moved, 1)[0]
    window = bounding_box(np.maximum(fixed[middle], moved[middle]))
    size = tile_size(fixed[middle][window].shape, pixel)
    # Enlarged first, so that squares are square and edges thin where slices are thick.
    a, b, inside = (_enlarged(stack[middle][window], size) for stack in (fixed, moved, covered))
    return (a, b, checkerboard(a, np.where(inside > 0.5, b, a)), edge_overlay(a, b)), (1.0, 1.0)


def _enlarged(tile: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    picture = Image.fromarray(tile.astype(np.float32)).resize(size[::-1], Image.Resampling.BICUBIC)
    return np.clip(np.asarray(picture), 0, 1)


_SQUARES = 8
_EDGE_SIGMA_PIXELS = 1.5
_EDGE_THRESHOLDS = (0.03, 0.09)
"""As a share of the brightest pixel of a slice."""
_DARKEST = 0.1
_EDGE_COLOUR = (1.0, 0.75, 0.0)


def checkerboard(fixed: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Show the two slices in alternate squares: contours run on across the squares where they are aligned.

    fixed, moved: (H, W) in [0, 1]. Returns (H, W).
    """
    side = max(1, round(max(fixed.shape) / _SQUARES))
    rows, columns = np.indices(fixed.shape) // side
    return np.where((rows + columns) % 2, moved, fixed)


def edge_overlay(fixed: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Draw the edges of the moved slice over the fixed one: they lie on its contours where the two are aligned.

    fixed, moved: (H, W) in [0, 1]. Returns RGB (H, W, 3) in [0, 1].
    """
    low, high = _EDGE_THRESHOLDS
    # Beside a T1 the T2 is mapped darker, but it has no fewer edges.
    image = sitk.GetImageFromArray((moved / max(float(moved.max()), _DARKEST)).astype(np.float32))
    edges = sitk.CannyEdgeDetection(image, low, high, [_EDGE_SIGMA_PIXELS**2] * 2)
    return np.where(sitk.GetArrayViewFromImage(edges)[..., None] > 0, _EDGE_COLOUR, fixed[..., None])


KEYS_HEIGHT = 64  # pixels
_BAR, _SQUARE = 12, 46
_KEY_MARGIN = 6
_INK = (230, 230, 230)
_MOST_WIDTH = 200


@dataclass(frozen=True)
class Key:
    """One key: its colours (H, W, 3) in [0, 1], the values at the ends of a bar, and a line that explains it."""

    colours: np.ndarray
    values: tuple[str, ...] = ()
    line: str = ""

    @property
    def is_square(self) -> bool:
        """Whether it is two-dimensional."""
        return self.colours.shape[0] > 1


def key_of_input(described: Mapping[str, Any]) -> Key | None:
    """The bar of an input as its provenance describes it; None for a picture, or an input with its own colours."""
    if "black" not in described:
        return None
    table = described.get("colour_table") or "grey"
    ramp = apply_colour_table(np.linspace(0, 1, 256), table)[None]
    values = (f"{described['black']:.4g}", f"{described['white']:.4g}")
    knee = described.get("knee")
    middle = f", {knee['value']:.4g} at {knee['brightness']:.0%}" if knee else ""
    name = " ".join(filter(None, (described["modality"], described.get("contrast"))))
    return Key(ramp, values, f"{name}, {described.get('unit') or 'own unit'}{middle}")


def key_of_fused(line: str = "display value, no unit") -> Key:
    """The bar of a fused volume in grey."""
    return Key(apply_colour_table(np.linspace(0, 1, 256), "grey")[None], ("0", "1"), line)


def square(compose: Callable[[np.ndarray, np.ndarray], np.ndarray], line: str) -> Key:
    """The two-dimensional key of two composed values: the fixed one increases upwards, the moving one rightwards."""
    moving, fixed = np.meshgrid(np.linspace(0, 1, _SQUARE), np.linspace(1, 0, _SQUARE))
    return Key(compose(fixed.astype(np.float32), moving.astype(np.float32)), (), line)


def band(keys: Sequence[Key | None], cell: int, gap: int) -> np.ndarray:
    """Draw the keys side by side, each under its column, uint8 (KEYS_HEIGHT, W, 3); None leaves a column empty.

    cell, gap: width of a column and of the gap between two columns, in pixels.
    """
    canvas = Image.new("RGB", (len(keys) * (cell + gap) - gap, KEYS_HEIGHT), _PAPER)
    for column, key in enumerate(keys):
        if key is not None:
            _draw(canvas, key, column * (cell + gap), cell)
    return np.asarray(canvas)


def _draw(canvas: Image.Image, key: Key, left: int, cell: int) -> None:
    start, draw = left + _KEY_MARGIN, ImageDraw.Draw(canvas)
    width = _SQUARE if key.is_square else min(cell - 2 * _KEY_MARGIN, _MOST_WIDTH)
    height = _SQUARE if key.is_square else _BAR
    pixels = np.round(np.clip(key.colours, 0, 1) * 255).astype(np.uint8)
    canvas.paste(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR), (start, _KEY_MARGIN))
    if key.is_square:
        _write_lines(draw, key.line, (start + width + _KEY_MARGIN, _KEY_MARGIN), cell - width - 3 * _KEY_MARGIN)
        return
    for place, text in enumerate(key.values):
        at = start + place * (width - _key_font().getlength(text))
        draw.text((at, _KEY_MARGIN + _BAR + 3), text, fill=_INK, font=_key_font())
    draw.text((start, _KEY_MARGIN + _BAR + 19), _fitting(key.line, cell - 2 * _KEY_MARGIN), fill=_INK, font=_key_font())


def _write_lines(draw: ImageDraw.ImageDraw, text: str, at: tuple[int, int], width: int) -> None:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if _key_font().getlength(longer) <= width else [*lines, word]
    for number, line in enumerate(lines):
        draw.text((at[0], at[1] + 14 * number), line, fill=_INK, font=_key_font())


def _fitting(text: str, width: int) -> str:
    """The text, without its last words where it is wider than ``width``."""
    words = text.split(" ")
    while len(words) > 1 and _key_font().getlength(" ".join(words)) > width:
        words = words[:-1]
    return " ".join(words).rstrip(",")


def _key_font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=11)
