"""Colour bound to uptake: a colour tells the same amount of uptake everywhere, and the anatomy only shades it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.intensity.colour_tables import apply_colour_table

_FULL_COLOUR = 0.1
"""From this uptake on the table's colour is shown; below, it goes over to the grey of the anatomy."""
_DETAIL_MM = 4.0
"""Standard deviation of the surroundings that anatomical detail is measured against, in mm."""
_DARKEST_SURROUNDINGS = 0.1
_AIR = 0.02
_LEAST_TISSUE = 0.05
_SHADES = (0.5, 1.5)
"""The least and the most that detail can scale a colour by."""
_SMALLEST_SIDE = 4  # pixels; the recursive filter's own lower limit


def bind_colour(
    uptake: np.ndarray,
    table: str,
    grey: np.ndarray,
    anatomy: np.ndarray,
    reach: np.ndarray,
    *,
    pixel: tuple[float, float],
    strengths: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Shade the colour of uptake with anatomical detail; where nothing is taken up, show the fused grey slices.

    The colour is the table's own times ``1 + detail``, so it can be read back from the table: hue never changes, and no
    channel is clipped. Mixing anatomy into the colour, as an overlay does, makes white matter look like low uptake
    and bone like high uptake.

    Args:
        uptake: (S, H, W) in [0, 1], 0 where the functional volume does not reach.
        table: name of its colour table, of those that are black where nothing is taken up.
        grey: (S, H, W) in [0, 1], the fused luminance.
        anatomy: (S, H, W), the part of the fused luminance that comes from the anatomical volume.
        reach: (S, H, W), 1 where the anatomical volume reaches, 0 outside, where the table's own colour is shown.
        pixel: sides of a pixel along rows and columns of the array, in mm.
        strengths: factors of the colour (more than 1 counts as 1) and of the anatomical detail.

    Returns:
        (S, H, W, 3) float32 in [0, 1].
    """
    of_colour, of_detail = min(strengths[0], 1.0), strengths[1]
    bound = np.empty((*uptake.shape, 3), np.float32)
    for index in range(len(uptake)):
        colour = apply_colour_table(uptake[index], table)
        share = (of_colour * (1 - reach[index] * (1 - _smooth_step(uptake[index] / _FULL_COLOUR))))[..., None]
        shade = 1 + of_detail * reach[index] * local_detail(anatomy[index], pixel)
        brightest = np.maximum(colour.max(axis=-1), 1e-6)
        shade = np.minimum(np.clip(shade, *_SHADES), 1 / brightest)[..., None]
        bound[index] = share * colour * shade + (1 - share) * grey[index][..., None]
    return bound


def local_detail(slice_: np.ndarray, pixel: tuple[float, float]) -> np.ndarray:
    """Return how much brighter or darker a slice (H, W) is than the tissue around it, as a share; 0 in air."""
    if min(slice_.shape) < _SMALLEST_SIDE:
        return np.zeros(slice_.shape, np.float32)
    sigmas = [_DETAIL_MM / side for side in reversed(pixel)]
    # Air does not count as surroundings: beside it all tissue would be bright, and its uptake seem higher.
    tissue = (slice_ > _AIR).astype(np.float32)
    total, share = (
        sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(image), sigmas))
        for image in ((slice_ * tissue).astype(np.float32, copy=False), tissue)
    )
    surroundings = total / np.maximum(share, _LEAST_TISSUE)
    return tissue * (slice_ - surroundings) / np.maximum(surroundings, _DARKEST_SURROUNDINGS)


def _smooth_step(ramp: np.ndarray) -> np.ndarray:
    clipped = np.clip(ramp, 0, 1).astype(np.float32, copy=False)
    return clipped * clipped * (3 - 2 * clipped)
