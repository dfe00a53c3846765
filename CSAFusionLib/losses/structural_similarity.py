"""The SSIM loss."""

from __future__ import annotations

from monai.losses.ssim_loss import SSIMLoss
from torch import Tensor

_SSIM = SSIMLoss(spatial_dims=2, data_range=1.0, kernel_type="gaussian", win_size=11, kernel_sigma=1.5)


def ssim_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return 1 - SSIM(fused, source), both (B, 1, H, W) in [0, 1]; Gaussian 11x11, sigma 1.5 (Wang et al. 2004)."""
    return _SSIM(fused, source)
