"""VIF: how much of a source's visual information the fused image holds."""

from __future__ import annotations

import torch
from torch import Tensor

from CSAFusionLib.metrics.gaussian import gaussian_means

_SCALES = 4
_NOISE_VARIANCE = 2 / 255**2
"""Of the visual system: 2 squared grey values, for images in [0, 1]."""
_EPSILON = 1e-10 / 255**2
"""The published code's, which takes grey values from 0 to 255."""


def vif(fused: Tensor, source: Tensor, epsilon: float = _EPSILON) -> Tensor:
    """Return the pixel-domain visual information fidelity of each image, (B,), with the source as its reference.

    Four scales. Sheikh and Bovik 2006, in the authors' simplification to pixels (vifp).

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 41x41.
        source: (B, 1, H, W) in [0, 1].
        epsilon: the variance below which a window is flat; single precision needs more than the published value.

    Returns:
        1 for a perfect copy, 0 for no common information; above 1 where contrast is raised.
    """
    preserved = available = torch.zeros(fused.shape[0], dtype=fused.dtype, device=fused.device)
    for scale in range(_SCALES):
        size = 2 ** (_SCALES - scale) + 1
        if scale > 0:
            fused, source = gaussian_means(torch.stack([fused, source]), size, size / 5)[..., ::2, ::2]
        gain, noise, variance = _channel(fused, source, size, epsilon)
        preserved = preserved + torch.log1p(gain.square() * variance / (noise + _NOISE_VARIANCE)).sum(dim=(1, 2, 3))
        available = available + torch.log1p(variance / _NOISE_VARIANCE).sum(dim=(1, 2, 3))
    return torch.where(available > 0, preserved / available.clamp_min(epsilon), 1)


def _channel(fused: Tensor, source: Tensor, size: int, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gain and noise of the channel from source to fused image, and the source's variance, locally.

    Nothing comes through, and all there is is noise, where one of them is flat or they run against each other.
    """
    moments = torch.stack([fused, source, fused.square(), source.square(), fused * source])
    mean, mean_source, square, square_source, product = gaussian_means(moments, size, size / 5)
    variance_fused = (square - mean.square()).clamp_min(0)
    variance = (square_source - mean_source.square()).clamp_min(0)
    covariance = (product - mean * mean_source).clamp_min(0)
    flat = (variance < epsilon) | (variance_fused < epsilon)
    gain = (covariance / (variance + epsilon)).masked_fill(flat, 0)
    return gain, (variance_fused - gain * covariance).clamp_min(0), variance
