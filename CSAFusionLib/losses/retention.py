"""The retention loss: a lesion must stand out in the fused image as it does in the source that shows it better."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from CSAFusionLib.metrics.gaussian import gaussian_means

TARGET = 0.7
"""A lesion that stands out this much, next to its source, costs nothing: the loss is about those that get lost."""
_LEAST_NOISE = 0.02
"""Five grey values of 256: less than that between a lesion and its surroundings is not seen anyway."""
_WINDOW, _SIGMA = 21, 5.0
_EPSILON = 1e-8


def retention_loss(
    fused: Tensor, fused_marked: Tensor, sources: Tensor, marked: Tensor, target: float = TARGET
) -> Tensor:
    """Return by how much the contrast-to-noise of lesions falls short, squared, in the lesions themselves.

    Not in the article. The other terms ask for the stronger texture, so the network learns to leave out a flat source
    beside a textured one, and a lesion that only the flat one shows goes with it; and where one source is dark and the
    other bright, a sum of both shows neither. The measure is contrast in the fused image over that in the source where
    the lesion stands out more, and that source's local deviation over the fused image's, pixel by pixel. Bright or
    dark in the fused image counts alike: with sources of opposite signs no sign is the right one. Squared, so that the
    worst ones count most.

    Args:
        fused: the sources fused, (B, 1, H, W) in [0, 1], at least 21x21.
        fused_marked: the sources with lesions fused, (B, 1, H, W) in [0, 1].
        sources: (B, 2, H, W) in [0, 1].
        marked: the same with lesions in one source or in both, (B, 2, H, W) in [0, 1].
        target: how much is enough, over 0 to 1.

    Returns:
        The mean over the images that have lesions, weighted by the lesions' contrast, a scalar: 0 when all stand out,
        target squared when they are gone; 0 if no image has any.
    """
    lesions = (marked - sources).abs()
    noise = _local_deviation(sources)
    better = (lesions / noise).argmax(dim=1, keepdim=True)
    weight, noise = lesions.gather(1, better), noise.gather(1, better)
    noise_in_fused = torch.maximum(_local_deviation(fused), noise)
    contrast = (fused_marked - fused).abs() * noise / noise_in_fused
    short = (target * weight - contrast).clamp_min(0)
    lost = (short.square() / weight.clamp_min(_EPSILON) * (weight > 0)).sum(dim=(1, 2, 3))
    put_in = weight.sum(dim=(1, 2, 3))
    has_lesions = (put_in > 0).to(lost.dtype)
    return (lost / put_in.clamp_min(_EPSILON)).sum() / has_lesions.sum().clamp_min(1)


def _local_deviation(images: Tensor) -> Tensor:
    """Return the standard deviation of the surroundings of each pixel, (B, C, H, W), and no less than is seen."""
    padded = functional.pad(images, [_WINDOW // 2] * 4, mode="reflect")
    mean, square = gaussian_means(torch.stack([padded, padded.square()]), _WINDOW, _SIGMA)
    return torch.sqrt((square - mean.square()).clamp_min(_LEAST_NOISE**2))
