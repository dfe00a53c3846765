"""The whole network, from two aligned slices to the fused one.

Part of the gains may depend on a pixel's two values alone, the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from CSAFusionLib.network.configuration import FULL, NetworkConfiguration
from CSAFusionLib.network.decoder import DecoderStage
from CSAFusionLib.network.encoder import ParallelEncoder, SpatialAttention, convolutional_encoder, inc, serial_encoder

WIDTH = 16
_FIRST_LOGIT = -0.8
"""Gains of 0.62 for a start: a little more than averaging."""


class PointwiseGains(nn.Sequential):
    """A map from the two values of a pixel to the logits of its gains: a perceptron of two hidden layers.

    It sees no neighbours, so a pair of values gives the same fused value in every place and slice of every volume.
    """

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(2, WIDTH, 1), nn.Tanh(), nn.Conv2d(WIDTH, WIDTH, 1), nn.Tanh(), nn.Conv2d(WIDTH, 2, 1)
        )
        last = self[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.constant_(last.bias, _FIRST_LOGIT)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 2, H, W) in [0, 1] to logits (B, 2, H, W)."""
        return super().forward(2 * x - 1)


class CSAFusion(nn.Module):
    """The CSAFusion network (the article's Figure 2)."""

    def __init__(self, configuration: NetworkConfiguration = FULL) -> None:
        super().__init__()
        self.configuration = configuration
        channels, attention = configuration.channels, configuration.attention
        level = ParallelEncoder if configuration.dual_fusion else serial_encoder
        self.inc = inc(2, channels)
        self.level1 = convolutional_encoder(channels, channels, adaptive=configuration.adaptive, attention=attention)
        self.level2 = level(channels, 2 * channels, 2, attention=attention)
        self.level3 = level(2 * channels, 4 * channels, 3, attention=attention)
        self.down = nn.MaxPool2d(2)
        self.decoder2 = DecoderStage(2 * channels, configuration)
        self.decoder1 = DecoderStage(channels, configuration, token=configuration.token)
        self.spatial_attention = SpatialAttention(channels) if attention else nn.Identity()
        self.output = nn.Conv2d(channels, 2 if configuration.gains else 1, 1)
        assert self.output.bias is not None
        # Both gains start at one half: plain averaging.
        nn.init.constant_(self.output.bias, -math.log(3) if configuration.gains else 0)
        if configuration.pointwise:
            self.pointwise = PointwiseGains()
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Fuse two aligned images.

        Args:
            x: (B, 2, H, W) in [0, 1], H and W at least 16; channel 0 is CT, PET, SPECT or T1, channel 1 MR or T2.

        Returns:
            (B, 1, H, W) in [0, 1]; with gains, exactly 0 where both sources are 0.
        """
        if not self.configuration.gains:
            return self._outputs(x, torch.sigmoid)
        return (self.gains(x) * x).sum(dim=1, keepdim=True).clamp(0, 1)

    def gains(self, x: Tensor) -> Tensor:
        """The factor each source is multiplied by before the two are added; only for a configuration with gains.

        Args:
            x: as :meth:`forward` takes it.

        Returns:
            (B, 2, H, W) in [0, 2].
        """
        return self.gains_from(self.local_gains(x), x)

    def local_gains(self, x: Tensor) -> Tensor:
        """What neighbouring slices may share of the gains: all but what a pixel's own two values decide.

        Args:
            x: as :meth:`forward` takes it.

        Returns:
            (B, 2, H, W): logits for a pointwise configuration, else the gains themselves.
        """
        return self._outputs(x, local_activation(self.configuration))

    def gains_from(self, local: Tensor, x: Tensor) -> Tensor:
        """The gains (B, 2, H, W) in [0, 2] of ``x`` when :meth:`local_gains` are ``local``."""
        return _to_gains(local + self.pointwise(x)) if self.configuration.pointwise else local

    def _outputs(self, x: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
        height, width = x.shape[2:]
        padded = self.pad(x)
        skip1 = self.level1(self.inc(padded))
        skip2 = self.level2(self.down(skip1))
        bottom = self.level3(self.down(skip2))
        features = self.decoder1(self.decoder2(bottom, skip2), skip1)
        return activation(self.output(self.spatial_attention(features)))[:, :, :height, :width]

    def pad(self, x: Tensor) -> Tensor:
        """Return ``x`` (B, 2, H, W), mirrored at the bottom and at the right up to whole windows."""
        # The window grid must fit at full and at half resolution. Mirrored content gives border windows real tokens.
        grid = 2 * self.configuration.window
        bottom, right = -x.shape[2] % grid, -x.shape[3] % grid
        return functional.pad(x, (0, right, 0, bottom), mode="reflect") if bottom or right else x


def local_activation(configuration: NetworkConfiguration) -> Callable[[Tensor], Tensor]:
    """Return what makes the local gains, or logits, of the last convolution's outputs."""
    if not configuration.pointwise:
        return _to_gains
    reach = configuration.reach
    return (lambda logits: reach * torch.tanh(logits / reach)) if reach else nn.Identity()


def _to_gains(logits: Tensor) -> Tensor:
    return 2 * torch.sigmoid(logits)
