"""The decoder: upsample, attend, join the skip connection, weigh the channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from CSAFusionLib.network.attention import ChannelAttention
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.network.encoder import standard_convolution
from CSAFusionLib.network.swin import SwinPair, TokenSwinPair
from CSAFusionLib.network.transformer import transformer_pair


class DecoderStage(nn.Module):
    """One level of the decoder, from (B, 2C, H/2, W/2) and the skip connection (B, C, H, W) to (B, C, H, W)."""

    def __init__(self, channels: int, configuration: NetworkConfiguration, *, token: int = 1) -> None:
        super().__init__()
        # Interpolation, not a transposed convolution, which would leave a checkerboard in smooth tissue.
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), nn.Conv2d(2 * channels, channels, 1)
        )
        self.attend = _attention(channels, configuration, token)
        self.fusion = nn.Sequential(
            standard_convolution(2 * channels, channels), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.channel_attention = ChannelAttention(channels) if configuration.attention else nn.Identity()

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Bring ``x`` to the resolution of ``skip`` and fuse the two."""
        x = self.attend(self.up(x))
        return self.channel_attention(self.fusion(torch.cat([x, skip], dim=1)))


def _attention(channels: int, configuration: NetworkConfiguration, token: int) -> nn.Module:
    if not configuration.adaptive:
        return transformer_pair(channels)
    if token == 1:
        return SwinPair(channels, configuration.window)
    return TokenSwinPair(channels, configuration.window, token)
