"""Pictures of two aligned sources that no network makes: the overlay, both side by side, and two colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.fusion.colouring import Source, to_pixels
from CSAFusionLib.fusion.style import Style
from CSAFusionLib.geometry.planes import Plane, column_axis, from_slices

if TYPE_CHECKING:
    from CSAFusionLib.fusion.aligned_pair import AlignedPair
    from CSAFusionLib.fusion.source_pair import SourcePair


def composed(pair: AlignedPair, sources: SourcePair, style: Style, opacity: float) -> np.ndarray:
    """Return the slices of a style but the fused one, (S, H, W, 3) uint8; side by side twice as wide.

    Args:
        opacity: of the functional source over the other one, or of the moving over the fixed where none is or both are;
            the overlay alone has it.
    """
    if style is Style.TWO_COLOUR:
        return _each(two_colours, pair.fixed.luminance, pair.moving.luminance * pair.coverage)
    fixed, moving = _rgb(pair.fixed), _rgb(pair.moving)
    if style is Style.SIDE_BY_SIDE:
        within = np.round(moving * pair.coverage[..., None]).astype(np.uint8)
        return np.concatenate([fixed, within], axis=2)
    fixed_is_over = sources.fixed.modality.is_functional and not sources.moving.modality.is_functional
    of_moving = 1 - opacity if fixed_is_over else opacity
    share = (of_moving * pair.coverage)[..., None]
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
