"""Draws the pictures of the documentation other than screenshots of the panel.

    python Docs/pictures/draw.py                          architecture.svg and network.svg, beside this file
    python Docs/pictures/draw.py demo-output/fused.png    also Resources/Screenshots/fusion.png, two of the demo's rows

It needs matplotlib, which the extra ``evaluate`` brings.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

HERE = Path(__file__).resolve().parent
SCREENSHOTS = HERE.parents[1] / "Resources" / "Screenshots"

INK, PAPER = "#24292f", "#ffffff"
DATA, WORK, LEARNED, HOST = "#eef2f6", "#dbe9f6", "#fbe3c8", "#e2f0d9"

Point = tuple[float, float]


class Box(NamedTuple):
    """A box by its centre, with a title, the text below it, and its colour."""

    x: float
    y: float
    title: str
    below: str = ""
    colour: str = WORK
    width: float = 2.5
    height: float = 0.95


ROAD = (
    Box(1.6, 5.0, "fixed, moving", "files, DICOM, images, arrays", DATA),
    Box(4.6, 5.0, "volumes", "read, check: Volume"),
    Box(7.6, 5.0, "registration", "find a transform, assess it"),
    Box(10.6, 5.0, "geometry", "one grid, slices of a plane"),
    Box(10.6, 3.3, "intensity", "modality, window: 0 to 1"),
    Box(7.6, 3.3, "network", "gains of A and B", LEARNED),
    Box(4.6, 3.3, "fusion", "A x gain + B x gain, colour"),
    Box(1.6, 3.3, "FusionResult", "volume, warnings, provenance", DATA),
)
DOORS = (
    Box(1.6, 6.7, "api", "import CSAFusionLib", HOST),
    Box(4.6, 6.7, "cli", "csafusion fuse ...", HOST),
    Box(7.6, 6.7, "slicer_host", "the panel in 3D Slicer", HOST),
    Box(10.6, 6.7, "worker", "the panel's child process", HOST),
)
MAKERS = (
    Box(4.6, 1.6, "evaluation", "metrics, lesions, report"),
    Box(7.6, 1.6, "weights", "four sets, SHA-256", LEARNED),
    Box(10.6, 1.6, "training, losses", "no labels"),
)

PATH = ("in", "inc", "level1", "level2", "level3")
SKIPS = (
    ("level1", "decoder1"),
    ("level2", "decoder2"),
    ("decoder2", "decoder1"),
    ("decoder1", "head"),
    ("head", "gains"),
    ("pointwise", "gains"),
    ("gains", "out"),
)


def main() -> None:
    """Draw the diagrams, and the first picture of the README if a montage is given."""
    mpl.rcParams.update({"svg.hashsalt": "csafusion", "font.family": "DejaVu Sans", "svg.fonttype": "path"})
    _save(architecture(), HERE / "architecture.svg")
    _save(network(), HERE / "network.svg")
    for montage in sys.argv[1:2]:
        two_rows(Image.open(montage)).save(SCREENSHOTS / "fusion.png", optimize=True)


def architecture() -> Figure:
    """The rooms of CSAFusionLib and the data flow through them."""
    figure, axes = _canvas(12.4, 7.5)
    for box in (*ROAD, *DOORS, *MAKERS):
        _draw(axes, box)
    for before, after in zip(ROAD[:-1], ROAD[1:], strict=True):
        _arrow(axes, before, after)
    _arrow(axes, DOORS[2], DOORS[3])
    _line(axes, [(1.6, 6.225), (1.6, 5.475)])
    _line(axes, [(4.6, 6.225), (4.6, 5.85), (1.6, 5.85)], head=False)
    _line(axes, [(10.6, 6.225), (10.6, 5.85), (4.6, 5.85)], head=False)
    _arrow(axes, MAKERS[2], MAKERS[1])
    _arrow(axes, MAKERS[1], ROAD[5])
    _line(axes, [(6.35, 1.6), (5.85, 1.6)])
    for y, text in ((7.35, "entry points"), (2.25, "training and measuring the weights")):
        axes.text(0.35, y, text, color=INK, fontsize=9, style="italic")
    return figure


def network() -> Figure:
    """The network, level by level."""
    figure, axes = _canvas(12.4, 7.9)
    width = 2.3
    boxes = {
        "in": Box(1.3, 5.3, "slices A, B", "2 x H x W, 0 to 1", DATA, 2.1),
        "inc": Box(3.9, 5.3, "Inc", "2 x (conv, BN, ReLU)", WORK, width),
        "level1": Box(6.5, 5.3, "encoder 1", "adaptive conv, SE", LEARNED, width),
        "level2": Box(6.5, 3.3, "encoder 2", "2 branches + FU", LEARNED, width),
        "level3": Box(6.5, 1.3, "encoder 3", "3 branches + FU", LEARNED, width),
        "decoder2": Box(9.5, 3.3, "decoder 2", "Swin pair, conv, SE", HOST, width),
        "decoder1": Box(9.5, 5.3, "decoder 1", "Swin pair, conv, SE", HOST, width),
        "head": Box(9.5, 6.5, "CM + 1x1 conv", "local part of the gains", WORK, width, 0.85),
        "pointwise": Box(6.5, 7.8, "pointwise part", "1x1 convs of A and B alone", LEARNED, width, 0.85),
        "gains": Box(6.5, 6.5, "gains", "2 x sigmoid of the sum", WORK, width, 0.85),
        "out": Box(3.3, 6.5, "fused slice", "A x gain A + B x gain B", DATA, 2.5, 0.85),
    }
    axes.set_ylim(0.3, 8.6)
    for box in boxes.values():
        _draw(axes, box)
    for before, after in zip(PATH[:-1], PATH[1:], strict=True):
        _arrow(axes, boxes[before], boxes[after])
    for before, after in SKIPS:
        _arrow(axes, boxes[before], boxes[after])
    _line(axes, [(7.65, 1.3), (9.5, 1.3), (9.5, 2.825)])
    _line(axes, [(1.3, 5.775), (1.3, 6.5), (2.05, 6.5)])
    _line(axes, [(1.3, 6.5), (1.3, 7.8), (5.35, 7.8)])
    for y, text in ((5.3, "C channels\nH x W"), (3.3, "2C channels\nH/2 x W/2"), (1.3, "4C channels\nH/4 x W/4")):
        axes.text(11.0, y, text, color=INK, fontsize=9, va="center")
    for x, y, text in ((8.0, 5.42, "skip"), (8.0, 3.42, "skip"), (6.6, 4.25, "pool"), (6.6, 2.25, "pool"),
                       (9.6, 4.25, "up"), (9.6, 2.2, "up"), (1.4, 6.65, "times"),
                       (1.4, 7.92, "each pixel's two values"), (7.75, 7.8, "CT-MR and T1-T2 only")):  # fmt: skip
        axes.text(x, y, text, color=INK, fontsize=8, style="italic", ha="center" if text == "skip" else "left")
    return figure


def two_rows(montage: Image.Image) -> Image.Image:
    """The titles, the two middle rows of a montage of four, and the keys below."""
    title, keys, width, height = 24, 64, montage.width, montage.height
    row = (height - title - keys) // 4
    picture = Image.new("RGB", (width, title + 2 * row + keys))
    picture.paste(montage.crop((0, 0, width, title)), (0, 0))
    picture.paste(montage.crop((0, title + row, width, title + 3 * row)), (0, title))
    picture.paste(montage.crop((0, height - keys, width, height)), (0, title + 2 * row))
    return picture


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width * 0.8, height * 0.8), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0.6, 0.6 + height)
    axes.axis("off")
    return figure, axes


def _draw(axes: Axes, box: Box) -> None:
    corner = box.x - box.width / 2, box.y - box.height / 2
    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(
        FancyBboxPatch(corner, box.width, box.height, boxstyle=style, facecolor=box.colour, edgecolor=INK, linewidth=1)
    )
    axes.text(box.x, box.y + 0.17, box.title, ha="center", va="center", color=INK, fontsize=10, weight="bold")
    axes.text(box.x, box.y - 0.2, box.below, ha="center", va="center", color=INK, fontsize=7.5)


def _arrow(axes: Axes, before: Box, after: Box) -> None:
    across, up = after.x - before.x, after.y - before.y
    if across:
        side = 1 if across > 0 else -1
        ends = [(before.x + side * before.width / 2, before.y), (after.x - side * after.width / 2, after.y)]
    else:
        side = 1 if up > 0 else -1
        ends = [(before.x, before.y + side * before.height / 2), (after.x, after.y - side * after.height / 2)]
    _line(axes, ends)


def _line(axes: Axes, points: list[Point], *, head: bool = True) -> None:
    axes.plot(*zip(*points, strict=True), color=INK, linewidth=1.1, solid_capstyle="butt")
    if head:
        axes.annotate(
            "", points[-1], points[-2], arrowprops={"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0}
        )


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
