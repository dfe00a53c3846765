"""The VIF loss: how little of a source's visual information the fused image holds."""

from __future__ import annotations

import torch
from torch import Tensor

from CSAFusionLib.losses.gaussian import gaussian_means

_SCALES = 4
_NOISE_VARIANCE = 2 / 255**2
"""Of the visual system, as in the metric, for images in [0, 1]."""
_EPSILON = 1e-10


def vif_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return 1 - the pixel-domain visual information fidelity of ``fused``, the source as its reference.

    Four scales, noise variance 2 at 255 grey values (Sheikh and Bovik 2006). It falls below 0 where contrast is raised.

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 41x41.
        source: (B, 1, H, W) in [0, 1].

    Returns:
        The mean over the batch, a scalar.
    """
    preserved = available = torch.zeros(fused.shape[0], dtype=fused.dtype, device=fused.device)
    for scale in range(_SCALES):
        size = 2 ** (_SCALES - scale) + 1
        if scale > 0:
            fused, source = gaussian_means(torch.stack([fused, source]), size, size / 5)[..., ::2, ::2]
        gain, noise, variance = _channel(fused, source, size)
        preserved = preserved + torch.log1p(gain.square() * variance / (noise + _NOISE_VARIANCE)).sum(dim=(1, 2, 3))
        available = available + torch.log1p(variance / _NOISE_VARIANCE).sum(dim=(1, 2, 3))
    return (1 - preserved / available.clamp_min(_EPSILON)).mean()


def _channel(fused: Tensor, source: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gain and noise of the channel from source to fused image, and the source's variance, locally."""
    moments = torch.stack([fused, source, fused.square(), source.square(), fused * source])
    mean, mean_source, square, square_source, product = gaussian_means(moments, size, size / 5)
    variance_fused = (square - mean.square()).clamp_min(0)
    variance = (square_source - mean_source.square()).clamp_min(0)
    covariance = (product - mean * mean_source).clamp_min(0)
    gain = covariance / (variance + _EPSILON)
    return gain, (variance_fused - gain * covariance).clamp_min(0), variance
