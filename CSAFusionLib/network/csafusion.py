"""The network, from two aligned slices to the fused one: encoder, fusion, decoder.

- Encoder: convolutional blocks (CE), side by side, and the fusion module (FU) that joins them. Adaptive convolution is
  a 3x3 kernel that each sample reweights; attention acts over channels (SE) and positions (CM).
- Decoder: upsample, attend, join the skip connection, weigh the channels. Ablation 3 replaces the Swin blocks with
  standard transformer blocks over the whole image.
- Part of the gains may depend on a pixel's two values alone, the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from CSAFusionLib.network.configuration import FULL, NetworkConfiguration
from CSAFusionLib.network.swin import SwinPair, TokenSwinPair


class AdaptiveConvolution(nn.Module):
    """A convolution whose kernel is multiplied, position by position, by a gate made from the input.

    The input is pooled to the kernel's size per channel. One branch condenses that to a code per input channel, one
    to a code per output channel; the sigmoid of their sum gates the kernel. After context-gated convolution, Lin et
    al., ECCV 2020, as the article uses it (section "AC").
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        positions = kernel_size**2
        code = positions // 2 + 1
        self.condense = nn.Sequential(nn.Linear(positions, code, bias=False), nn.LayerNorm(code), nn.ReLU())
        self.input_code = nn.Linear(code, positions)
        self.across_channels = nn.Linear(in_channels, out_channels, bias=False)
        self.output_code = nn.Linear(code, positions)

    def kernels(self, x: Tensor) -> Tensor:
        """Return the gated kernels (B, C_out, C_in, k, k) for the input ``x`` (B, C_in, H, W)."""
        context = functional.adaptive_avg_pool2d(x, self.kernel_size).flatten(2)
        context = self.condense(context)
        per_input = self.input_code(context)
        per_output = self.output_code(self.across_channels(context.transpose(1, 2)).transpose(1, 2))
        gate = torch.sigmoid(per_input.unsqueeze(1) + per_output.unsqueeze(2))
        # A gate of one half leaves the kernel as it was initialised.
        return self.weight * 2 * gate.unflatten(-1, (self.kernel_size, self.kernel_size))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H, W), each sample with its own kernels."""
        kernels = self.kernels(x)
        return _one_by_one(x, kernels) if x.device.type == "cpu" else _grouped(x, kernels)


def _one_by_one(x: Tensor, kernels: Tensor) -> Tensor:
    """Convolve each sample of ``x`` with its own kernels, the fastest way on a CPU and one of little memory."""
    padding = kernels.shape[-1] // 2
    return torch.cat(
        [
            functional.conv2d(sample.unsqueeze(0), kernel, padding=padding)
            for sample, kernel in zip(x, kernels, strict=True)
        ]
    )


def _grouped(x: Tensor, kernels: Tensor) -> Tensor:
    """The same in one call, the batch as the groups of one convolution: an accelerator waits for every call."""
    batch, _, height, width = x.shape
    convolved = functional.conv2d(
        x.reshape(1, -1, height, width), kernels.flatten(0, 1), padding=kernels.shape[-1] // 2, groups=batch
    )
    return convolved.view(batch, -1, height, width)


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
    """One level of the decoder, from (B, 2C, H/2, W/2) and the skip connection (B, C, H, W) to (B, C, H, W).

    ``pixel`` is the side of one of its pixels, in pixels of the slice.
    """

    def __init__(self, channels: int, configuration: NetworkConfiguration, *, pixel: int = 1) -> None:
        super().__init__()
        # Interpolation, not a transposed convolution, which would leave a checkerboard in smooth tissue.
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), nn.Conv2d(2 * channels, channels, 1)
        )
        self.attend = _attention(channels, configuration, pixel)
        self.fusion = nn.Sequential(
            standard_convolution(2 * channels, channels), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.channel_attention = ChannelAttention(channels) if configuration.attention else nn.Identity()

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Bring ``x`` to the resolution of ``skip`` and fuse the two."""
        x = self.attend(self.up(x))
        return self.channel_attention(self.fusion(torch.cat([x, skip], dim=1)))


def _attention(channels: int, configuration: NetworkConfiguration, pixel: int) -> nn.Module:
    if not configuration.token:
        return nn.Identity()
    if not configuration.adaptive:
        return transformer_pair(channels)
    token = max(1, configuration.token // pixel)
    if token == 1:
        return SwinPair(channels, configuration.window)
    return TokenSwinPair(channels, configuration.window, token)


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
        self.decoder2 = DecoderStage(2 * channels, configuration, pixel=2)
        self.decoder1 = DecoderStage(channels, configuration)
        self.spatial_attention = SpatialAttention(channels) if attention else nn.Identity()
        self.output = nn.Conv2d(channels, 2 if configuration.gains else 1, 1)
        assert self.output.bias is not None
        # Both gains start at one half: plain averaging.
        nn.init.constant_(self.output.bias, -math.log(3) if configuration.gains else 0)
        if configuration.pointwise:
            self.pointwise = PointwiseGains()
            nn.init.zeros_(self.output.weight)
            nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, *, clip: bool = True) -> Tensor:
        """Fuse two aligned images.

        Args:
            x: (B, 2, H, W) in [0, 1], H and W at least 16; channel 0 is CT, PET, SPECT or T1, channel 1 MR or T2.
            clip: False leaves values above white, up to 4, as they are: training counts them.

        Returns:
            (B, 1, H, W) in [0, 1]; with gains, exactly 0 where both sources are 0.
        """
        if not self.configuration.gains:
            return self._outputs(x, torch.sigmoid)
        return apply_gains(self.gains(x), x, clip=clip)

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
        grid = max(2, self.configuration.token) * self.configuration.window
        while any(missing := [-side % grid for side in x.shape[2:]]):
            # A mirror shows no more than there is; what is smaller than half a grid is mirrored again.
            bottom, right = (min(more, side - 1) for more, side in zip(missing, x.shape[2:], strict=True))
            x = functional.pad(x, (0, right, 0, bottom), mode="reflect")
        return x


def local_activation(configuration: NetworkConfiguration) -> Callable[[Tensor], Tensor]:
    """Return what makes the local gains, or logits, of the last convolution's outputs."""
    if not configuration.pointwise:
        return _to_gains
    reach = configuration.reach
    return (lambda logits: reach * torch.tanh(logits / reach)) if reach else nn.Identity()


def apply_gains(gains: Tensor, x: Tensor, *, clip: bool) -> Tensor:
    """Add the sources ``x`` times their gains, both (B, 2, H, W), to (B, 1, H, W), cut off at white if ``clip``."""
    fused = (gains * x).sum(dim=1, keepdim=True)
    return fused.clamp(0, 1) if clip else fused


def _to_gains(logits: Tensor) -> Tensor:
    return 2 * torch.sigmoid(logits)
