"""Colour separated from luminance and restored, and pictures of two sources made without the network.

- Colour: a source's own chrominance, or a colour table bound to its uptake.
- Pictures without a network: the overlay, both sources side by side, and two colours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.fusion.colour import Source, apply_colour_table, shaded
from CSAFusionLib.fusion.settings import Style
from CSAFusionLib.fusion.source_pair import AlignedPair
from CSAFusionLib.geometry.planes import Plane, column_axis, from_slices
from CSAFusionLib.intensity.voxel_values import yuv_to_rgb

_FULL_COLOUR = 0.1
"""From this uptake upwards the table's colour is shown; below, it fades into the grey of the anatomy."""
_DETAIL_MM = 4.0
"""Standard deviation of the surroundings that anatomical detail is measured against, in mm."""
_DARKEST_SURROUNDINGS = 0.1
_AIR = 0.02
_LEAST_TISSUE = 0.05
_SHADES = (0.5, 1.5)
"""The least and the most that detail can scale a colour by, as values of a screen."""
_LIGHTNESS = 2.2 / 3
"""From a factor of a screen's values to one of OKLab's lightness, the cube root of light."""
_SMALLEST_SIDE = 4  # pixels; the recursive filter's own lower limit


def coloured(fused: np.ndarray, contribution: np.ndarray | None, pair: AlignedPair, balance: float) -> np.ndarray:
    """Return the result's slices: the fused ones inside the coverage, the fixed ones outside, in colour if any.

    Args:
        fused: (S, H, W) in [0, 1]; it is changed in place.
        contribution: (S, H, W) of the fixed volume; with it a colour table is bound to uptake.
        balance: as in the settings: how much the fixed and the moving source count beside the network's own balance.

    Returns:
        (S, H, W) float32 in [0, 1], or (S, H, W, 3) uint8.
    """
    strengths = 1 - balance, 1 + balance
    one_has_colour = (pair.fixed.chrominance is None) != (pair.moving.chrominance is None)
    if contribution is None or not (pair.sources.has_colour_table and one_has_colour):
        for own, fixed_slice, inside in zip(fused, pair.fixed.luminance, pair.coverage, strict=True):
            own[...] = blend(own, fixed_slice, inside)
        fixed, moving = fade_colour(pair.fixed, strengths[0]), fade_colour(pair.moving, strengths[1])
        return in_colour(fused, fixed, moving, pair.coverage)
    return _bound(fused, contribution, pair, strengths)


def _bound(
    fused: np.ndarray, contribution: np.ndarray, pair: AlignedPair, strengths: tuple[float, float]
) -> np.ndarray:
    """RGB slices (S, H, W, 3) uint8 whose colour is that of the one source that a colour table shows."""
    sources = pair.sources
    moving_is_functional = sources.fixed.colour_table is None
    table = sources.moving.colour_table if moving_is_functional else sources.fixed.colour_table
    uptake = pair.moving.uptake if moving_is_functional else pair.fixed.uptake
    assert table is not None
    assert uptake is not None
    rgb = np.empty((*fused.shape, 3), np.uint8)
    for index, own in enumerate(fused):
        inside, of_fixed = pair.coverage[index], contribution[index]
        bound = bind_colour(
            (uptake[index] * inside if moving_is_functional else uptake[index])[None],
            table,
            blend(own, pair.fixed.luminance[index], inside)[None],
            (own * (of_fixed if moving_is_functional else 1 - of_fixed))[None],
            np.ones_like(inside)[None] if moving_is_functional else inside[None],
            pixel=sources.spacing[1:],
            strengths=strengths[::-1] if moving_is_functional else strengths,
        )
        rgb[index] = np.round(bound[0] * 255)
    return rgb


def blend(fused: np.ndarray, fixed: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """The fused slices inside the moving field of view, blended into the fixed ones outside; all of one shape."""
    return coverage * fused + (1 - coverage) * fixed


def join_chrominance(fixed: Source, moving: Source, coverage: np.ndarray) -> np.ndarray | None:
    """U and V (..., H, W, 2) of the result, or None when neither source has colour.

    Two coloured sources are weighted by how far each is from grey, as in DeepFuse (Prabhakar et al., ICCV 2017, eq. 2),
    so that each keeps its colour where the other has none.
    """
    within = None if moving.chrominance is None else moving.chrominance * coverage[..., None]
    if fixed.chrominance is None or within is None:
        return within if fixed.chrominance is None else fixed.chrominance
    weights = np.abs(fixed.chrominance), np.abs(within)
    total = weights[0] + weights[1]
    weighted = weights[0] * fixed.chrominance + weights[1] * within
    return np.divide(weighted, total, out=np.zeros_like(total), where=total > 0)


def fade_colour(source: Source, strength: float) -> Source:
    """The source with its colour scaled by its strength; a strength of 1 or more changes nothing."""
    if source.chrominance is None or strength >= 1:
        return source
    return replace(source, chrominance=source.chrominance * np.float32(strength))


def to_rgb(luminance: np.ndarray, chrominance: np.ndarray) -> np.ndarray:
    """Colour pixels (..., 3) uint8 from Y (...) in [0, 1] and U, V (..., 2)."""
    rgb = yuv_to_rgb(np.concatenate([luminance[..., None], chrominance], axis=-1))
    return np.round(rgb * 255).astype(np.uint8)


def to_pixels(source: Source) -> np.ndarray:
    """A source's slices (S, H, W, 3) uint8 where it has colour; else its luminance (S, H, W) as it is."""
    if source.chrominance is None:
        return source.luminance
    return np.stack([to_rgb(luminance, uv) for luminance, uv in zip(source.luminance, source.chrominance, strict=True)])


def brightness(slices: np.ndarray) -> np.ndarray:
    """The luminance (S, H, W) of a result's slices, grey (S, H, W) or RGB (S, H, W, 3) uint8."""
    if slices.ndim == 3:
        return slices
    return Source.from_slices((one / np.float32(255) for one in slices), len(slices)).luminance


def in_colour(luminance: np.ndarray, fixed: Source, moving: Source, coverage: np.ndarray) -> np.ndarray:
    """The result's slices (S, H, W, 3) uint8 where a source has colour; else the luminance (S, H, W) as it is."""
    rgb = None
    for index, own in enumerate(luminance):
        chrominance = join_chrominance(fixed[index], moving[index], coverage[index])
        if chrominance is None:
            return luminance
        rgb = np.empty((*luminance.shape, 3), np.uint8) if rgb is None else rgb
        rgb[index] = to_rgb(own, chrominance)
    return luminance if rgb is None else rgb


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

    The colour is the table's own, its lightness and chroma in OKLab scaled by the detail, so it can be read back from
    the table: hue never changes, and no channel is clipped. Mixing anatomy into the colour, as an overlay does,
    makes white matter look like low uptake and bone like high uptake.

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
        share = (of_colour * (1 - reach[index] * (1 - _smooth_step(uptake[index] / _FULL_COLOUR))))[..., None]
        shade = 1 + of_detail * reach[index] * local_detail(anatomy[index], pixel)
        shade = np.clip(shade, *_SHADES) ** _LIGHTNESS
        colour = shaded(apply_colour_table(uptake[index], table), shade)
        bound[index] = share * colour + (1 - share) * grey[index][..., None]
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


def composed(pair: AlignedPair, style: Style, opacity: float) -> np.ndarray:
    """Return the slices of any style but FUSED, (S, H, W, 3) uint8; twice as wide for side by side.

    Args:
        opacity: of the overlay: how much of the functional source is seen over the other, or of the moving over the
            fixed one if none or both are functional.
    """
    if style is Style.TWO_COLOUR:
        return _each(two_colours, pair.fixed.luminance, pair.moving.luminance * pair.coverage)
    fixed, moving = _rgb(pair.fixed), _rgb(pair.moving)
    if style is Style.SIDE_BY_SIDE:
        within = np.round(moving * pair.coverage[..., None]).astype(np.uint8)
        return np.concatenate([fixed, within], axis=2)
    of_fixed, of_moving = pair.sources.modalities
    fixed_is_over = of_fixed.is_functional and not of_moving.is_functional
    share = ((1 - opacity if fixed_is_over else opacity) * pair.coverage)[..., None]
    return np.round((1 - share) * fixed + share * moving).astype(np.uint8)


def two_colours(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return RGB (..., 3) in [0, 1]: orange where A alone is bright, azure where B is, grey where both are alike.

    Both are one at the same brightness: the two colours add up to white.
    """
    return np.stack([a, (a + b) / 2, b], axis=-1)


def wide_volume(slices: np.ndarray, reference: sitk.Image, plane: Plane) -> sitk.Image:
    """Put slices twice as wide as the reference's into a volume whose first half lies exactly on the reference's grid.

    slices: (S, H, 2 W, 3); the second half lies beside the patient, to the right in the slices of ``plane``.
    """
    width = slices.shape[2] // 2
    axis, is_flipped = column_axis(reference, plane)
    halves = [from_slices(half, reference, plane) for half in (slices[:, :, :width], slices[:, :, width:])]
    arrays = [sitk.GetArrayFromImage(half) for half in halves]
    image = sitk.GetImageFromArray(np.concatenate(arrays[::-1] if is_flipped else arrays, axis=2 - axis), isVector=True)
    image.SetSpacing(reference.GetSpacing())
    image.SetDirection(reference.GetDirection())
    first = [0, 0, 0]
    first[axis] = -width if is_flipped else 0
    image.SetOrigin(reference.TransformIndexToPhysicalPoint(first))
    return image


def _each(compose: Callable[[np.ndarray, np.ndarray], np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.stack([np.round(255 * compose(one, other)).astype(np.uint8) for one, other in zip(a, b, strict=True)])


def _rgb(source: Source) -> np.ndarray:
    """(S, H, W, 3) uint8."""
    pixels = to_pixels(source)
    if pixels.ndim == 4:
        return pixels
    return np.repeat(np.round(255 * pixels).astype(np.uint8)[..., None], 3, axis=-1)
