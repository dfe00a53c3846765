"""Adaptive convolution: a 3x3 kernel that each sample reweights for itself."""

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
