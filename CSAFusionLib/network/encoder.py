"""The encoder: convolutional blocks (CE), side by side, and the fusion module (FU) that joins them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from CSAFusionLib.network.adaptive_convolution import AdaptiveConvolution
from CSAFusionLib.network.attention import ChannelAttention


def standard_convolution(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps height and width; no bias, since batch norm follows it."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)


def inc(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return the article's Inc: two 3x3 convolution + batch norm + ReLU blocks, (B, C_in, H, W) to (B, C_out, H, W)."""
    return nn.Sequential(
        standard_convolution(in_channels, out_channels),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        standard_convolution(out_channels, out_channels),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def convolutional_encoder(in_channels: int, out_channels: int, *, adaptive: bool, attention: bool) -> nn.Sequential:
    """Return the article's CE: convolution + batch norm + ReLU + SE, (B, C_in, H, W) to (B, C_out, H, W)."""
    convolution = AdaptiveConvolution if adaptive else standard_convolution
    return nn.Sequential(
        convolution(in_channels, out_channels),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        ChannelAttention(out_channels) if attention else nn.Identity(),
    )


class EncoderFusion(nn.Module):
    """The article's FU: combine all branches at once, with learned weights for each branch and position."""

    def __init__(self, channels: int, branches: int) -> None:
        super().__init__()
        self.scores = nn.Conv2d(channels * branches, branches, 1)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Join the branches, each (B, C, H, W), into one (B, C, H, W)."""
        weights = self.scores(torch.cat(branches, dim=1)).softmax(dim=1)
        return (torch.stack(branches, dim=1) * weights.unsqueeze(2)).sum(dim=1)


class ParallelEncoder(nn.Module):
    """One level of the encoder: parallel CE whose outputs FU joins."""

    def __init__(self, in_channels: int, out_channels: int, branches: int, *, attention: bool) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            convolutional_encoder(in_channels, out_channels, adaptive=False, attention=attention)
            for _ in range(branches)
        )
        self.fusion = EncoderFusion(out_channels, branches)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H, W)."""
        return self.fusion([branch(x) for branch in self.branches])


def serial_encoder(in_channels: int, out_channels: int, blocks: int, *, attention: bool) -> nn.Sequential:
    """Return one level of the encoder with its CE in series and no FU (ablation 1)."""
    widths = [in_channels] + [out_channels] * blocks
    return nn.Sequential(
        *(
            convolutional_encoder(before, after, adaptive=False, attention=attention)
            for before, after in zip(widths[:-1], widths[1:], strict=True)
        )
    )
