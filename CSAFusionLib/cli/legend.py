"""What stands under the columns of a picture: grey or colour bars with values and unit, or a two-colour square."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from CSAFusionLib.intensity.colour import apply_colour_table

HEIGHT = 64  # pixels
_BAR, _SQUARE = 12, 46
_MARGIN = 6
_INK, _PAPER = (230, 230, 230), (24, 24, 24)
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
    """The bar of an input as its provenance describes it; None for a picture, or an input in colours of its own."""
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
    """The two-dimensional key of what is made of two values: the fixed one grows upwards, the moving one rightwards."""
    moving, fixed = np.meshgrid(np.linspace(0, 1, _SQUARE), np.linspace(1, 0, _SQUARE))
    return Key(compose(fixed.astype(np.float32), moving.astype(np.float32)), (), line)


def band(keys: Sequence[Key | None], cell: int, gap: int) -> np.ndarray:
    """Draw the keys side by side, each under its column, uint8 (HEIGHT, W, 3); None leaves a column empty.

    cell, gap: width of a column and of what lies between two, in pixels.
    """
    canvas = Image.new("RGB", (len(keys) * (cell + gap) - gap, HEIGHT), _PAPER)
    for column, key in enumerate(keys):
        if key is not None:
            _draw(canvas, key, column * (cell + gap), cell)
    return np.asarray(canvas)


def _draw(canvas: Image.Image, key: Key, left: int, cell: int) -> None:
    start, draw = left + _MARGIN, ImageDraw.Draw(canvas)
    width = _SQUARE if key.is_square else min(cell - 2 * _MARGIN, _MOST_WIDTH)
    height = _SQUARE if key.is_square else _BAR
    pixels = np.round(np.clip(key.colours, 0, 1) * 255).astype(np.uint8)
    canvas.paste(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR), (start, _MARGIN))
    if key.is_square:
        _write_lines(draw, key.line, (start + width + _MARGIN, _MARGIN), cell - width - 3 * _MARGIN)
        return
    for place, text in enumerate(key.values):
        at = start + place * (width - _font().getlength(text))
        draw.text((at, _MARGIN + _BAR + 3), text, fill=_INK, font=_font())
    draw.text((start, _MARGIN + _BAR + 19), _fitting(key.line, cell - 2 * _MARGIN), fill=_INK, font=_font())


def _write_lines(draw: ImageDraw.ImageDraw, text: str, at: tuple[int, int], width: int) -> None:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if _font().getlength(longer) <= width else [*lines, word]
    for number, line in enumerate(lines):
        draw.text((at[0], at[1] + 14 * number), line, fill=_INK, font=_font())


def _fitting(text: str, width: int) -> str:
    """The text without its last words, where it is wider than that."""
    words = text.split(" ")
    while len(words) > 1 and _font().getlength(" ".join(words)) > width:
        words = words[:-1]
    return " ".join(words).rstrip(",")


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=11)
