"""The two inputs as the network takes them: who is A and who is B, luminance apart from colour, and back again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from CSAFusionLib.intensity.colour import rgb_to_yuv, yuv_to_rgb
from CSAFusionLib.intensity.modality import Modality

# The order of training: A is the functional volume where there is one, else the CT; B shows the anatomy.
_RANK = {Modality.PET: 0, Modality.SPECT: 0, Modality.CT: 1, Modality.MR: 2}


@dataclass
class Source:
    """One input as slices in [0, 1]: luminance (S, H, W), and chrominance U, V (S, H, W, 2) when it has colour.

    ``uptake`` (S, H, W) is what a colour table was applied to; None where the colour is the input's own.
    """

    luminance: np.ndarray
    chrominance: np.ndarray | None = None
    uptake: np.ndarray | None = None

    @classmethod
    def from_slices(cls, slices: np.ndarray) -> Source:
        """Split slices in [0, 1], grey (S, H, W) or RGB (S, H, W, 3)."""
        if slices.ndim == 3:
            return cls(np.ascontiguousarray(slices, dtype=np.float32))
        yuv = rgb_to_yuv(slices).astype(np.float32, copy=False)
        return cls(np.ascontiguousarray(yuv[..., 0]), np.ascontiguousarray(yuv[..., 1:]))


def fixed_is_a(fixed: Modality, moving: Modality) -> bool:
    """Whether the fixed volume goes to the network's channel A; of two alike, the fixed one does."""
    return _RANK[fixed] <= _RANK[moving]


def seen_by_network(fixed: np.ndarray, moving: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """The moving slices with the fixed ones where they do not reach, so that no artificial border is fused.

    Args:
        fixed, moving, coverage: (S, H, W) in [0, 1]; coverage is 1 inside the moving field of view, 0 outside.
    """
    return np.where(coverage > 0, moving, fixed)


def blend(fused: np.ndarray, fixed: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """The fused slices inside the moving field of view, going over to the fixed ones outside; all (S, H, W)."""
    return coverage * fused + (1 - coverage) * fixed


def join_chrominance(fixed: Source, moving: Source, coverage: np.ndarray) -> np.ndarray | None:
    """U and V (S, H, W, 2) of the result, or None when neither source has colour.

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
    """The source with its colour as weak as it counts; a strength of 1 or more leaves it alone."""
    if source.chrominance is None or strength >= 1:
        return source
    return replace(source, chrominance=source.chrominance * np.float32(strength))


def to_rgb(luminance: np.ndarray, chrominance: np.ndarray) -> np.ndarray:
    """Colour slices (S, H, W, 3) uint8 from Y (S, H, W) in [0, 1] and U, V (S, H, W, 2)."""
    rgb = yuv_to_rgb(np.concatenate([luminance[..., None], chrominance], axis=-1))
    return np.round(rgb * 255).astype(np.uint8)
