"""The contrast loss: the fused image is to be as contrasted as the stronger source, no less and no more."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

WINDOW = 7
"""Side of the local neighbourhood, in pixels."""
OMEGA = 0.1
"""Added to the local mean, so that the dark background does not divide by nearly zero."""


def local_contrast(image: Tensor) -> Tensor:
    """Return the local contrast sqrt(mean((x_j - mean)^2) / (mean + omega)) of ``image`` (B, 1, H, W) in [0, 1].

    The article's term is the sum in place of the mean, which differs by a constant factor; the root brings weak
    texture and strong edges to comparable size, as a standard deviation does for a variance.
    """
    mean = functional.avg_pool2d(image, WINDOW, stride=1)
    variance = (functional.avg_pool2d(image.square(), WINDOW, stride=1) - mean.square()).clamp_min(0)
    return torch.sqrt(variance / (mean + OMEGA) + 1e-6) - 1e-3


def contrast_loss(fused: Tensor, source: Tensor, other: Tensor) -> Tensor:
    """Return how far the fused contrast is from that of ``source``, wherever ``source`` is the stronger one.

    Falling short (over-smoothing) and overshooting (noise) both count, locally and over the whole image.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1]; the source this term speaks for.
        other: (B, 1, H, W) in [0, 1]; the other source.

    Returns:
        The mean over the batch, a scalar, at least 0.
    """
    of_fused, of_source, of_other = local_contrast(fused), local_contrast(source), local_contrast(other)
    stronger = (of_source >= of_other).to(of_fused.dtype)
    difference = stronger * (of_fused - of_source)
    local = difference.abs().mean()
    overall = difference.mean(dim=(1, 2, 3)).abs().mean()
    return local + overall
