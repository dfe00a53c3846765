"""QABF: how much of the sources' gradients the fused image keeps, in strength and direction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from CSAFusionLib.evaluation.metrics.gradients import sobel_gradient


class _Sigmoid(NamedTuple):
    """Perceived loss: ``top / (1 + exp(slope * (x - middle)))``."""

    top: float
    slope: float
    middle: float

    def __call__(self, preserved: np.ndarray) -> np.ndarray:
        return self.top / (1 + np.exp(self.slope * (preserved - self.middle)))


_STRENGTH = _Sigmoid(top=0.9994, slope=-15, middle=0.5)
_DIRECTION = _Sigmoid(top=0.9879, slope=-22, middle=0.8)


class _Gradient(NamedTuple):
    strength: np.ndarray
    direction: np.ndarray
    """Radians, -pi/2 to pi/2; opposite gradients count as one direction."""


def qabf(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    """Return the gradients' preservation, averaged over both sources with their strengths as weights; 0 to 1.

    Sobel gradients, edges replicated. Xydeas and Petrovic 2000, with their constants. A source pixel's strength is
    preserved by the ratio of the weaker to the stronger gradient, its direction by 1 - angle / (pi / 2).

    Args:
        a: (H, W), 0 to 255.
        b: (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    of_fused = _gradient(fused)
    kept = available = 0.0
    for of_source in (_gradient(a), _gradient(b)):
        kept += (_preserved(of_source, of_fused) * of_source.strength).sum()
        available += of_source.strength.sum()
    return float(kept / available) if available > 0 else 0.0


def _gradient(image: np.ndarray) -> _Gradient:
    down, right = sobel_gradient(image)
    with np.errstate(divide="ignore", invalid="ignore"):
        direction = np.where(right == 0, np.pi / 2, np.arctan(down / right))
    return _Gradient(np.sqrt(down**2 + right**2), direction)


def _preserved(source: _Gradient, fused: _Gradient) -> np.ndarray:
    stronger = np.maximum(source.strength, fused.strength)
    ratio = np.minimum(source.strength, fused.strength) / np.where(stronger > 0, stronger, 1)
    alike = 1 - np.abs(source.direction - fused.direction) / (np.pi / 2)
    return _STRENGTH(ratio) * _DIRECTION(alike)
