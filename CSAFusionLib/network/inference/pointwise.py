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
