"""The edge loss: how little the fused image's edges go with the source's."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_EPSILON = 1e-6


def edge_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return 1 - the correlation coefficient of the two Laplacian images, the mean over the batch.

    Not of the article: SSIM, RMI and contrast leave open which of two edges is kept where both sources have one. Four
    neighbours, edges replicated, as in the edge preservation index (Sattar et al. 1997).

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1].
    """
    of_fused, of_source = _centred_laplacian(fused), _centred_laplacian(source)
    covariance = (of_fused * of_source).mean(dim=1)
    scale = of_fused.square().mean(dim=1) * of_source.square().mean(dim=1)
    return (1 - covariance / torch.sqrt(scale + _EPSILON**2)).mean()


def _centred_laplacian(image: Tensor) -> Tensor:
    padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    neighbours = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    laplacian = (neighbours - 4 * image).flatten(1)
    return laplacian - laplacian.mean(dim=1, keepdim=True)
