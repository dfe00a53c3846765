"""Attention over channels (SE) and over positions (CM)."""

from __future__ import annotations

from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """Squeeze-and-excitation: weigh each channel by what all channels hold on average (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.excite = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Reweight the channels of ``x`` (B, C, H, W)."""
        return x * self.excite(x.mean(dim=(2, 3)))[:, :, None, None]


class SpatialAttention(nn.Module):
    """The article's CM: one convolution gives a map that reweights positions, foreground against background."""

    def __init__(self, channels: int, kernel_size: int = 7) -> None:
        super().__init__()
        self.map = nn.Sequential(nn.Conv2d(channels, 1, kernel_size, padding=kernel_size // 2), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Reweight the positions of ``x`` (B, C, H, W)."""
        return x * self.map(x)
