"""The part of the gains that a pixel's two values decide on their own, the same everywhere."""

from __future__ import annotations

from torch import Tensor, nn

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
