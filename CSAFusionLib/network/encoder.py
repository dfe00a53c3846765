"""The encoder: convolutional blocks (CE), side by side, and the fusion module (FU) that joins them.

- Adaptive convolution: a 3x3 kernel that each sample reweights for itself.
- Attention over channels (SE) and over positions (CM).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


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
