"""The pointwise part of the gains, on the CPU, a few rows at a time so that it stays in the cache."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.network.inference.convolution import known

_PIXELS_AT_ONCE = 2**14
"""Their hidden layer takes 1 MiB: about what a core has of cache for itself."""


class PointwiseMap:
    """What a pixel's two values decide of its gains, and the gains that it gives with the rest.

    It keeps nothing between calls, so threads can share it. Where the network runs does not matter: the gains of a
    slice are needed on the CPU, after neighbouring slices have shared what they share.
    """

    def __init__(self, network: CSAFusion) -> None:
        """Copy the weights of a network whose configuration is pointwise."""
        layers = [layer for layer in network.pointwise if isinstance(layer, nn.Conv2d)]
        self.weights = [layer.weight.detach().to("cpu", copy=True).flatten(1).contiguous() for layer in layers]
        self.biases = [known(layer.bias, torch.Tensor).detach().to("cpu", copy=True)[:, None] for layer in layers]

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
            if flat[:, some].any():
                gains[:, some] = self._logits(flat[:, some]).add_(shared[:, some]).sigmoid_().mul_(2)
        return gains.view(x.shape)

    def _logits(self, values: Tensor) -> Tensor:
        hidden = values * 2 - 1
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = torch.addmm(bias, weight, hidden).tanh_()
        return torch.addmm(self.biases[-1], self.weights[-1], hidden)
