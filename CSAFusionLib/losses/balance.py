"""The balance loss: how much better the fused image shows one source than the other."""

from __future__ import annotations

from torch import Tensor

from CSAFusionLib.losses.structural_similarity import structural_similarity


def balance_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the squared difference of both SSIM, the mean over the batch.

    Not of the article: RMI, visual information and edge correlation all reward a plain copy of the source with more
    texture, mostly the MR, so their sum with SSIM has a minimum there that has to be made expensive.

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 11x11.
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].
    """
    return (structural_similarity(fused, a) - structural_similarity(fused, b)).square().mean()
