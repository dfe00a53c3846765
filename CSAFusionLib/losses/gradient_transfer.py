"""The gradient transfer loss: how little of the sources' gradients the fused image keeps, strength and direction."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_STRENGTH = (0.9994, 15.0, 0.5)
_DIRECTION = (0.9879, 22.0, 0.8)
"""Top, slope and middle of the sigmoid, as in the metric."""
_EPSILON = 1e-3


def transfer_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return 1 - QABF, the preservation of both sources' gradients with their strengths as weights.

    Not of the article. Xydeas and Petrovic 2000, with their constants, as in the metric but for gradients far below a
    grey value, which are rounded off so that the angle between them has a derivative.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].

    Returns:
        The mean over the batch, a scalar, 0 to 1.
    """
    of_fused = _gradient(fused)
    kept = available = torch.zeros(fused.shape[0], dtype=fused.dtype, device=fused.device)
    for source in (a, b):
        of_source = _gradient(source)
        strength = of_source.norm(dim=1)
        kept = kept + (_preserved(of_source, of_fused) * strength).sum(dim=(1, 2))
        available = available + strength.sum(dim=(1, 2))
    return (1 - kept / available.clamp_min(_EPSILON)).mean()


def _gradient(image: Tensor) -> Tensor:
    """Return the Sobel gradient, edges replicated, (B, 2, H, W), in brightness per pixel times eight."""
    padded = functional.pad(image, [1] * 4, mode="replicate")
    smooth = torch.tensor([1.0, 2.0, 1.0], dtype=image.dtype, device=image.device)
    change = torch.tensor([-1.0, 0.0, 1.0], dtype=image.dtype, device=image.device)
    kernels = torch.stack([torch.outer(change, smooth), torch.outer(smooth, change)])[:, None]
    return functional.conv2d(padded, kernels)


def _preserved(source: Tensor, fused: Tensor) -> Tensor:
    """Return the preservation of each source gradient, (B, H, W); both are (B, 2, H, W)."""
    of_source, of_fused = (torch.sqrt(x.square().sum(dim=1) + _EPSILON**2) for x in (source, fused))
    ratio = torch.minimum(of_source, of_fused) / torch.maximum(of_source, of_fused)
    along = (source * fused).sum(dim=1).abs()
    across = (source[:, 0] * fused[:, 1] - source[:, 1] * fused[:, 0]).abs()
    alike = 1 - torch.atan2(across, along + _EPSILON**2) / (torch.pi / 2)
    return _perceived(ratio, *_STRENGTH) * _perceived(alike, *_DIRECTION)


def _perceived(preserved: Tensor, top: float, slope: float, middle: float) -> Tensor:
    return top * torch.sigmoid(slope * (preserved - middle))
