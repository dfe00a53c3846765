"""The decoder: upsample, attend, join the skip connection, weigh the channels.

Ablation 3 puts standard transformer blocks over the whole image in place of the Swin blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.network.encoder import ChannelAttention, standard_convolution
from CSAFusionLib.network.swin import SwinPair, TokenSwinPair

_POOL = 8
"""Tokens are means over 8x8 pixels, a Swin window's size: global attention among single pixels of a slice (65,536
tokens) would need some 100 times the work of the whole network."""


def sinusoidal_positions(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Return the fixed position code (H * W, C) of Vaswani et al. 2017, half for rows, half for columns."""
    quarter = channels // 4
    frequency = 10000 ** (-torch.arange(quarter, device=device) / quarter)
    rows = torch.arange(height, device=device)[:, None] * frequency
    columns = torch.arange(width, device=device)[:, None] * frequency
    row_code = torch.cat([rows.sin(), rows.cos()], dim=1)[:, None].expand(-1, width, -1)
    column_code = torch.cat([columns.sin(), columns.cos()], dim=1)[None].expand(height, -1, -1)
    return torch.cat([row_code, column_code], dim=2).flatten(0, 1)


class TransformerBlock(nn.Module):
    """Global self-attention among pooled tokens and a two-layer perceptron, each beside a skip connection."""

    def __init__(self, channels: int, expansion: int = 2) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, num_heads=max(1, channels // 16), batch_first=True)
        self.norm_perceptron = nn.LayerNorm(channels)
        self.perceptron = nn.Sequential(
            nn.Linear(channels, expansion * channels), nn.GELU(), nn.Linear(expansion * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape; H and W are multiples of 8."""
        pooled = functional.avg_pool2d(x, _POOL)
        tokens = self.norm_attention(pooled.flatten(2).transpose(1, 2))
        tokens = tokens + sinusoidal_positions(pooled.shape[2], pooled.shape[3], x.shape[1], x.device)
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        attended = attended.transpose(1, 2).unflatten(2, pooled.shape[2:])
        x = x + functional.interpolate(attended, scale_factor=_POOL, mode="bilinear")
        return x + self.perceptron(self.norm_perceptron(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def transformer_pair(channels: int) -> nn.Sequential:
    """Return two standard blocks, as many as a Swin pair has."""
    return nn.Sequential(TransformerBlock(channels), TransformerBlock(channels))


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
