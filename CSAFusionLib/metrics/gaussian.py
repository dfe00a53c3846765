"""Gaussian windows as matrix products, many times faster on a CPU than a convolution of one channel."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def gaussian_means(images: Tensor, size: int, sigma: float) -> Tensor:
    """Return the Gaussian-weighted means of ``images`` (..., H, W) over every window that lies inside.

    Args:
        images: H and W at least ``size``.
        size: side of the square window, in pixels.
        sigma: of the Gaussian, in pixels.

    Returns:
        (..., H - size + 1, W - size + 1).
    """
    height, width = images.shape[-2:]
    down, across = (_band(length, size, sigma).to(images) for length in (height, width))
    return down @ images @ across.mT


# Kept for the next call, which may want derivatives: a tensor made in inference mode has none.
@lru_cache(maxsize=64)
@torch.inference_mode(mode=False)
def _band(length: int, size: int, sigma: float) -> Tensor:
    """Return the matrix (length - size + 1, length) that slides the window along one axis."""
    distance = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    taps = torch.exp(-(distance**2) / (2 * sigma**2))
    offset = torch.arange(length)[None, :] - torch.arange(length - size + 1)[:, None]
    inside = (offset >= 0) & (offset < size)
    return torch.where(inside, (taps / taps.sum())[offset.clamp(0, size - 1)], 0.0)
