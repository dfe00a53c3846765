"""Sobel gradients, for the metrics that compare edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sobel_gradient(image: Tensor) -> Tensor:
    """Return the gradient down and to the right, (B, 2, H, W), in brightness per pixel times eight.

    Args:
        image: (B, 1, H, W); its edges are replicated.
    """
    padded = functional.pad(image, [1] * 4, mode="replicate")
    smooth = torch.tensor([1.0, 2.0, 1.0], dtype=image.dtype, device=image.device)
    change = torch.tensor([-1.0, 0.0, 1.0], dtype=image.dtype, device=image.device)
    kernels = torch.stack([torch.outer(change, smooth), torch.outer(smooth, change)])[:, None]
    return functional.conv2d(padded, kernels)
