"""One picture of a registration: fixed, moved, checkerboard and edges, in three planes through the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from PIL import Image

from CSAFusionLib.cli.sheet import bounding_box, sheet, spread, tile_size
from CSAFusionLib.fusion.aligned_pair import AlignedPair
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import SourcePair
from CSAFusionLib.geometry.planes import Plane, slice_spacing
from CSAFusionLib.volumes.volume import Volume

TITLES = ("Fixed", "Moving, registered", "Checkerboard", "Its edges over fixed")
PLANES = (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL)


def alignment_picture(fixed: Volume, moving: Volume, transform: sitk.Transform) -> np.ndarray:
    """Draw the middle slices of what both volumes show, uint8 (H, W, 3).

    transform: from fixed to moving points, LPS mm.
    """
    sources = SourcePair.settle(fixed, moving, FusionSettings())
    pairs = {plane: AlignedPair.bring(replace(sources, plane=plane), transform) for plane in PLANES}
    return sheet([_row(pair, slice_spacing(fixed.image, plane)[1:]) for plane, pair in pairs.items()], TITLES)


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
    image = sitk.GetImageFromArray(moved.astype(np.float32))
    edges = sitk.CannyEdgeDetection(image, low, high, [_EDGE_SIGMA_PIXELS**2] * 2)
    return np.where(sitk.GetArrayViewFromImage(edges)[..., None] > 0, _EDGE_COLOUR, fixed[..., None])
