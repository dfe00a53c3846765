"""Artefacts (hallucination): structure of the fused image that neither source explains."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_SIDE = 7
_RIDGE = 0.1
"""Grey values squared: enough to tell a flat source from one with structure, and less than whole numbers' rounding."""


def artefacts(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    """Return the largest and the 99.9th percentile of :func:`unexplained`, in grey values; 0 is perfect.

    Args:
        a: (H, W), 0 to 255.
        b: (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    residual = unexplained(a, b, fused)
    return {"artefacts": float(residual.max()), "artefacts 99.9 %": float(np.percentile(residual, 99.9))}


def unexplained(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> np.ndarray:
    """Return how far each fused pixel is from what both sources lead to expect there, (H, W) in grey values.

    Expected is p a + q b + r, with p, q and r by least squares (with a slight ridge) from the 7x7 pixels around. So
    weights that change slowly leave nothing, whatever they are, and neither do brightness and contrast; edges, rings
    and spots of its own do, and so does a seam where a method turns abruptly from one source to the other. A cloud
    much wider than the window shows at its rim only.

    Args:
        a: (H, W), 0 to 255.
        b: (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    a, b, fused = (image.astype(np.float64) for image in (a, b, fused))
    aa, bb, ab = _covariance(a, a) + _RIDGE, _covariance(b, b) + _RIDGE, _covariance(a, b)
    af, bf = _covariance(a, fused), _covariance(b, fused)
    determinant = aa * bb - ab**2
    p, q = (af * bb - bf * ab) / determinant, (bf * aa - af * ab) / determinant
    return np.abs(fused - _mean(fused) - p * (a - _mean(a)) - q * (b - _mean(b)))


def _covariance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _mean(x * y) - _mean(x) * _mean(y)


def _mean(image: np.ndarray) -> np.ndarray:
    """Return each pixel's mean over the window around it, edges replicated."""
    return ndimage.uniform_filter(image, _SIDE, mode="nearest")
