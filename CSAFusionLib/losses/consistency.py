"""The consistency loss: how far fused values of pixels with the same two source values lie apart."""

from __future__ import annotations

import torch
from torch import Tensor

_BINS = 32
_LEAST_PIXELS = 8
"""Bins with fewer pixels have no spread worth counting."""
_BACKGROUND = 0.05


def consistency_loss(fused: Tensor, sources: Tensor) -> Tensor:
    """Return the variance of the fused value given both source values, over a batch of patches from one volume.

    Not in the article. The other terms reward a network that decides place by place which source to show, and the same
    tissue then looks different from place to place. The measure is that of
    :mod:`CSAFusionLib.evaluation.clinical.consistency`, with fewer bins: 32 x 32 in the joint histogram, those with 8
    pixels and more, above the background.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        sources: (B, 2, H, W) in [0, 1], all of one volume, or of slices with the same scale of grey.

    Returns:
        A scalar, at least 0; 0 also where no bin has enough pixels.
    """
    index = (sources * _BINS).long().clamp(0, _BINS - 1)
    bins = (index[:, 0] * _BINS + index[:, 1]).flatten()
    values = fused.flatten()
    empty = values.new_zeros(_BINS**2)
    count = empty.index_add(0, bins, torch.ones_like(values))
    mean = empty.index_add(0, bins, values) / count.clamp_min(1)
    counted = (sources.amax(dim=1).flatten() > _BACKGROUND) & (count[bins] >= _LEAST_PIXELS)
    spread = (values - mean[bins]).square() * counted
    return spread.sum() / counted.sum().clamp_min(1)
