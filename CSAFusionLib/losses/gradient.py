"""The gradient loss: the fused image is to have, at each pixel, the steeper of the two sources' gradients."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the mean distance between the fused gradient and that of the source which is steeper there.

    Not in the article. Pixel by pixel, with its direction: unlike a correlation over the image it does not fall when
    the fused image turns to one source for the sake of its texture (the form of Ma et al., "SwinFusion", 2022).

    Args:
        fused: (B, 1, H, W) in [0, 1].
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].

    Returns:
        The mean over the batch, a scalar, at least 0, in brightness per pixel.
    """
    of_fused, of_a, of_b = _gradient(fused), _gradient(a), _gradient(b)
    a_is_steeper = of_a.square().sum(dim=1, keepdim=True) >= of_b.square().sum(dim=1, keepdim=True)
    return (of_fused - torch.where(a_is_steeper, of_a, of_b)).abs().mean()


def _gradient(image: Tensor) -> Tensor:
    """Return the differences to the next pixel down and to the right, (B, 2, H - 1, W - 1)."""
    corner = image[..., :-1, :-1]
    return torch.cat([image[..., 1:, :-1] - corner, image[..., :-1, 1:] - corner], dim=1)
