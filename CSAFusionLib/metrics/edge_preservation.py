"""EPI: how well the fused image's edges go with those of a source."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from CSAFusionLib.metrics.gradients import sobel_gradient


def epi(fused: Tensor, source: Tensor, epsilon: float = 0.0) -> Tensor:
    """Return the correlation coefficient of the two Laplacian images, (B,), -1 to 1; 0 if one has no edge at all.

    The Laplacian has four neighbours, edges replicated. Sattar et al. 1997.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1].
        epsilon: added, squared, to the product of the variances, so that flat images have a derivative.
    """
    return _correlation(_laplacian(fused), _laplacian(source), epsilon)


def epi_of_gradients(fused: Tensor, source: Tensor) -> Tensor:
    """Return the correlation coefficient of the two Sobel gradient magnitudes, (B,), -1 to 1; 0 if one is flat.

    :func:`epi` with first derivatives: less a matter of the finest grain.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1].
    """
    return _correlation(sobel_gradient(fused).norm(dim=1), sobel_gradient(source).norm(dim=1))


def _correlation(first: Tensor, second: Tensor, epsilon: float = 0.0) -> Tensor:
    x, y = (image.flatten(1) - image.flatten(1).mean(dim=1, keepdim=True) for image in (first, second))
    scale = torch.sqrt(x.square().mean(dim=1) * y.square().mean(dim=1) + epsilon**2)
    return (x * y).mean(dim=1) / torch.where(scale > 0, scale, 1)


def _laplacian(image: Tensor) -> Tensor:
    padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    neighbours = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    return neighbours - 4 * image
