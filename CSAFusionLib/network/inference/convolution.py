"""The convolutional parts for one slice, on the CPU.

Batch norm is folded in, and parallel branches lie side by side in one convolution. The pointwise part of the gains
takes a few rows at a time, so that it stays in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from CSAFusionLib.network.csafusion import (
    AdaptiveConvolution,
    ChannelAttention,
    CSAFusion,
    ParallelEncoder,
    SpatialAttention,
)

Kind = TypeVar("Kind")


def known(module: object, kind: type[Kind]) -> Kind:
    """Return a part of a network as what it is known to be."""
    assert isinstance(module, kind)
    return module


def fold(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of one convolution that does what one without bias and the batch norm after it do."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return (weight * scale[:, None, None, None]).contiguous(), norm.bias - norm.running_mean * scale


class FoldedConvolutions:
    """3x3 convolutions, each with batch norm and ReLU, one after the other."""

    def __init__(self, *pairs: tuple[nn.Module, nn.Module]) -> None:
        self.folded = [
            fold(known(convolution, nn.Conv2d).weight, known(norm, nn.BatchNorm2d)) for convolution, norm in pairs
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """Map (1, C_in, H, W) to (1, C_out, H, W)."""
        for weight, bias in self.folded:
            x = functional.conv2d(x, weight, bias, padding=1).relu_()
        return x


class FoldedFusion:
    """A 3x3 convolution of two sources side by side, with batch norm and ReLU.

    The sum of two convolutions of half the channels: on a CPU quicker, and without copying both into one array.
    """

    def __init__(self, fusion: nn.Sequential) -> None:
        weight, self.bias = fold(known(fusion[0], nn.Conv2d).weight, known(fusion[1], nn.BatchNorm2d))
        self.weights = [half.contiguous() for half in weight.chunk(2, dim=1)]

    def __call__(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map two (1, C, H, W) to (1, C, H, W)."""
        fused = functional.conv2d(x, self.weights[0], self.bias, padding=1)
        return fused.add_(functional.conv2d(skip, self.weights[1], padding=1)).relu_()


class PointwiseConvolution:
    """A 1x1 convolution as the matrix product it is."""

    def __init__(self, module: nn.Module) -> None:
        convolution = known(module, nn.Conv2d)
        assert convolution.bias is not None
        self.weight, self.bias = convolution.weight.flatten(1).contiguous(), convolution.bias[:, None]

    def __call__(self, x: Tensor) -> Tensor:
        """Map (1, C_in, H, W) to (1, C_out, H, W)."""
        return torch.addmm(self.bias, self.weight, x[0].flatten(1)).view(1, -1, *x.shape[2:])


class Excitation:
    """Channel attention of several branches at once, in place."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        """Take the :class:`ChannelAttention` of each branch."""
        excites = [known(branch, ChannelAttention).excite for branch in branches]
        first, second = ([known(excite[layer], nn.Linear) for excite in excites] for layer in (0, 2))
        self.condense = torch.block_diag(*(layer.weight for layer in first))
        self.condense_bias = torch.cat([layer.bias for layer in first])
        self.expand = torch.block_diag(*(layer.weight for layer in second))
        self.expand_bias = torch.cat([layer.bias for layer in second])

    def __call__(self, x: Tensor) -> Tensor:
        """Reweight the channels of ``x`` (1, branches * C, H, W)."""
        code = functional.linear(x.mean(dim=(2, 3)), self.condense, self.condense_bias).relu_()
        return x.mul_(functional.linear(code, self.expand, self.expand_bias).sigmoid_()[:, :, None, None])


class FoldedAdaptiveEncoder:
    """Adaptive convolution, batch norm, ReLU and channel attention."""

    def __init__(self, encoder: nn.Sequential) -> None:
        adaptive, norm, _, attention = encoder
        self.adaptive, self.norm = known(adaptive, AdaptiveConvolution), known(norm, nn.BatchNorm2d)
        self.excite = Excitation([attention])

    def __call__(self, x: Tensor) -> Tensor:
        """Map (1, C_in, H, W) to (1, C_out, H, W)."""
        weight, bias = fold(self.adaptive.kernels(x)[0], self.norm)
        return self.excite(functional.conv2d(x, weight, bias, padding=1).relu_())


class FoldedParallelEncoder:
    """Parallel branches and the fusion module that joins them."""

    def __init__(self, module: nn.Module) -> None:
        encoder = known(module, ParallelEncoder)
        branches = [known(branch, nn.Sequential) for branch in encoder.branches]
        self.branches = len(branches)
        folded = [fold(known(branch[0], nn.Conv2d).weight, known(branch[1], nn.BatchNorm2d)) for branch in branches]
        self.weight, self.bias = (torch.cat(parts) for parts in zip(*folded, strict=True))
        self.excite = Excitation([branch[3] for branch in branches])
        self.scores = PointwiseConvolution(encoder.fusion.scores)

    def __call__(self, x: Tensor) -> Tensor:
        """Map (1, C_in, H, W) to (1, C_out, H, W)."""
        x = self.excite(functional.conv2d(x, self.weight, self.bias, padding=1).relu_())
        shares = self.scores(x).softmax(dim=1)
        return x.unflatten(1, (self.branches, -1)).mul_(shares[:, :, None]).sum(dim=1)


class OutputHead:
    """Spatial attention and the output convolution, without the sigmoid.

    The attention scales all channels of a position alike, so it can as well scale what the 1x1 convolution makes of
    them; that one then shares a convolution with the rows of the attention's 7x7 kernel, which are summed after it.
    """

    def __init__(self, attention: nn.Module, output: nn.Conv2d) -> None:
        """Take the :class:`SpatialAttention` and the 1x1 convolution after it."""
        convolution = known(known(attention, SpatialAttention).map[0], nn.Conv2d)
        assert convolution.bias is not None and output.bias is not None
        self.size = convolution.kernel_size[0]
        # (1, C, k, k) to (k, C, 1, k): each row a kernel of its own.
        rows = convolution.weight[0].transpose(0, 1)[:, :, None]
        self.weight = torch.cat([rows, functional.pad(output.weight, (self.size // 2, self.size // 2))]).contiguous()
        self.map_bias, self.bias = convolution.bias, output.bias[:, None, None]

    def __call__(self, x: Tensor) -> Tensor:
        """Map (1, C, H, W) to (1, outputs, H, W)."""
        planes = functional.conv2d(x, self.weight, padding=(0, self.size // 2))[0]
        scale = _sum_shifted(planes[: self.size]).add_(self.map_bias).sigmoid_()
        return planes[self.size :].mul_(scale).add_(self.bias)[None]


def halve(x: Tensor) -> Tensor:
    """2x2 maxima of (1, C, H, W), H and W even; on a CPU far faster than ``max_pool2d``, which also finds where."""
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


def _sum_shifted(planes: Tensor) -> Tensor:
    """Sum (k, H, W) over k, k odd, each plane shifted so that its row ``h + index - k // 2`` comes to row ``h``."""
    reach = len(planes) // 2
    height = planes.shape[1]
    total = planes[reach].clone()
    for away in range(1, min(reach, height - 1) + 1):
        total[away:] += planes[reach - away, : height - away]
        total[: height - away] += planes[reach + away, away:]
    return total


_PIXELS_AT_ONCE = 2**14
"""Their hidden layer takes 1 MiB: about what a core has of cache for itself."""


class PointwiseMap:
    """What a pixel's two values decide of its gains, and the gains that it gives with the rest.

    It keeps nothing between calls, so threads can share it. Where the network runs does not matter: the gains of a
    slice are needed on the CPU, after neighbouring slices have shared what they share.
    """

    def __init__(self, network: CSAFusion) -> None:
        """Copy the weights of a network whose configuration is pointwise.

        A hyperbolic tangent of y is 2 s - 1 with s the logistic function of 2 y, which PyTorch computes eight times as
        fast: the factors and offsets are part of the weights before and after it. So is 2 x - 1 of the first layer.
        """
        layers = [layer for layer in network.pointwise if isinstance(layer, nn.Conv2d)]
        self.weights, self.biases = [], []
        for index, layer in enumerate(layers):
            weight = layer.weight.detach().to("cpu", torch.float64).flatten(1)
            bias = known(layer.bias, torch.Tensor).detach().to("cpu", torch.float64) - weight.sum(dim=1)
            doubled = 2 if index < len(layers) - 1 else 1
            self.weights.append((2 * doubled * weight).float())
            self.biases.append((doubled * bias).float()[:, None])

    @torch.inference_mode()
    def gains(self, local: Tensor, x: Tensor) -> Tensor:
        """Return the gains (2, H, W) in [0, 2], as :meth:`CSAFusion.gains_from` does.

        Args:
            local: (2, H, W), as :meth:`CSAFusion.local_gains` gives for a slice.
            x: the two sources (2, H, W) in [0, 1]; where both are 0 the gains do not count.
        """
        flat, shared = x.flatten(1), local.flatten(1)
        gains = torch.zeros_like(flat)
        for start in range(0, flat.shape[1], _PIXELS_AT_ONCE):
            some = slice(start, start + _PIXELS_AT_ONCE)
            if flat[:, some].amax() > 0:
                gains[:, some] = self._logits(flat[:, some]).add_(shared[:, some]).sigmoid_().mul_(2)
        return gains.view(x.shape)

    def _logits(self, values: Tensor) -> Tensor:
        hidden = values
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = torch.addmm(bias, weight, hidden).sigmoid_()
        return torch.addmm(self.biases[-1], self.weights[-1], hidden)
