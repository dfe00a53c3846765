"""The highlights loss: what is white in one source is to be white in the fused image."""

from __future__ import annotations

import torch
from torch import Tensor

_POWER = 4


def highlights_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return by how much the fused image falls short of the brighter source, squared, where that source is bright.

    Not in the article. Bone is told by being white; an average with a source where it is black makes it grey, which
    costs SSIM and contrast little. The weight is the fourth power of the brightness, so grey tissue hardly counts.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].

    Returns:
        The mean over the batch, a scalar, 0 to 1.
    """
    brighter = torch.maximum(a, b)
    return (brighter**_POWER * (brighter - fused).clamp_min(0).square()).mean()
