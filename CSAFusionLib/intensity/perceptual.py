"""Shade colours in OKLab (Ottosson, 2020), where hue, chroma and lightness are as one sees them.

OKLab is made of cube roots of linear combinations of linear RGB, so scaling L, a and b alike, which keeps hue and the
ratio of chroma to lightness, is exactly scaling linear RGB by the factor's cube.
"""

from __future__ import annotations

import numpy as np

# IEC 61966-2-1 (sRGB).
_LINEAR_BELOW, _SLOPE = 0.04045, 12.92
_OFFSET, _POWER = 0.055, 2.4


def shaded(rgb: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Return colours with OKLab's lightness and chroma scaled; the hue stays, and no channel is clipped.

    Args:
        rgb: (..., 3) sRGB in [0, 1].
        lightness: (...) factors above 0; one that would push a channel above 1 is lowered to where it reaches 1.

    Returns:
        (..., 3) float32 in [0, 1].
    """
    linear = to_linear(rgb)
    brightest = np.maximum(linear.max(axis=-1), 1e-9)
    return to_srgb(linear * np.minimum(lightness.astype(np.float32) ** 3, 1 / brightest)[..., None])


def to_linear(rgb: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values in [0, 1]."""
    rgb = np.asarray(rgb, np.float32)
    return np.where(rgb <= _LINEAR_BELOW, rgb / _SLOPE, ((rgb + _OFFSET) / (1 + _OFFSET)) ** _POWER)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """SRGB values of linear light in [0, 1]."""
    curved = (1 + _OFFSET) * np.power(linear, 1 / _POWER) - _OFFSET
    return np.where(linear <= _LINEAR_BELOW / _SLOPE, linear * _SLOPE, curved).clip(0, 1).astype(np.float32)
