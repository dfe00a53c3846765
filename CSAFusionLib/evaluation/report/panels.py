"""Image panels: the sources and every method's result for a few telling pairs, whole and close up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.evaluation.table import to_picture
from CSAFusionLib.fusion.aligned_pair import Source
from CSAFusionLib.fusion.colouring import to_rgb
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.volumes.pictures import read_picture

_CHOSEN_BY = "SSIM sum"
_CROP = 80  # pixels of a side


@dataclass(frozen=True)
class Tile:
    """One picture of a panel, uint8 (H, W) or (H, W, 3), and its part close up."""

    title: str
    whole: np.ndarray
    close_up: np.ndarray


@dataclass(frozen=True)
class Panel:
    """All pictures of one pair, and why it is shown."""

    title: str
    tiles: list[Tile]


def panels_of(comparison: Comparison, kind: PairKind) -> list[Panel]:
    """Return the panels of the pairs where our method's SSIM sum is in the middle, and where it is the lowest."""
    results = comparison.results
    ours = results[(results["kind"] == kind.value) & (results["method"] == comparison.ours)]
    order = ours[_CHOSEN_BY].sort_values(kind="stable").index
    chosen = {order[len(order) // 2]: "median", order[0]: "lowest"}
    return [
        _panel(comparison.pairs[place], comparison.fused[place], f"{which} {_CHOSEN_BY} of {comparison.ours}")
        for place, which in chosen.items()
    ]


def _panel(pair: ImagePair, fused: Mapping[str, np.ndarray], why: str) -> Panel:
    first, second = pair.kind.value.split("-")
    chrominance = _chrominance_of(pair)
    in_colour = {first: to_picture(pair.a), **fused}
    pictures = {name: _coloured(picture, chrominance) for name, picture in in_colour.items()}
    pictures = {first: pictures.pop(first), second: to_picture(pair.b), **pictures}
    crop = _telling_crop(pair)
    tiles = [Tile(name, picture, picture[crop]) for name, picture in pictures.items()]
    return Panel(f"{pair.kind.value} {pair.name}: {why}", tiles)


def _chrominance_of(pair: ImagePair) -> np.ndarray | None:
    """Return U, V (H, W, 2) of the functional picture; None for the kinds in grey."""
    if pair.source is None or not pair.kind.modalities[0].is_functional:
        return None
    pixels = sitk.GetArrayFromImage(read_picture(pair.source)).astype(np.float32) / 255
    chrominance = Source.from_slices([pixels], 1).chrominance
    return None if chrominance is None else chrominance[0]


def _coloured(picture: np.ndarray, chrominance: np.ndarray | None) -> np.ndarray:
    return picture if chrominance is None else to_rgb(picture.astype(np.float32)[None] / 255, chrominance[None])[0]


def _telling_crop(pair: ImagePair) -> tuple[slice, slice]:
    """Return the square in which both sources have much detail."""
    detail = [
        ndimage.uniform_filter(ndimage.gaussian_gradient_magnitude(image, 1), _CROP) for image in (pair.a, pair.b)
    ]
    middle = np.unravel_index(np.argmax(detail[0] * detail[1]), pair.a.shape)
    starts = [
        int(np.clip(centre - _CROP // 2, 0, max(0, side - _CROP)))
        for centre, side in zip(middle, pair.a.shape, strict=True)
    ]
    return slice(starts[0], starts[0] + _CROP), slice(starts[1], starts[1] + _CROP)
