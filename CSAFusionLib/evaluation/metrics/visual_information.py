"""VIF: how much of a source's visual information the fused image holds."""

from __future__ import annotations

import numpy as np
from scipy import signal

_SCALES = 4
_NOISE_VARIANCE = 2.0
_EPSILON = 1e-10


def vif(source: np.ndarray, fused: np.ndarray) -> float:
    """Return the pixel-domain visual information fidelity of ``fused`` with ``source`` as the reference.

    Four scales, visual noise variance 2. Sheikh and Bovik 2006, in the authors' simplification to pixels (vifp).

    Args:
        source: (H, W), 0 to 255, at least 41x41 pixels.
        fused: (H, W), 0 to 255.

    Returns:
        1 for a perfect copy, 0 for no common information; above 1 where contrast is raised.
    """
    reference, distorted = source.astype(np.float64), fused.astype(np.float64)
    preserved = available = 0.0
    for scale in range(_SCALES):
        window = _gaussian(2 ** (_SCALES - scale) + 1)
        if scale > 0:
            reference = _filter(reference, window)[::2, ::2]
            distorted = _filter(distorted, window)[::2, ::2]
        gain, noise, variance = _channel(reference, distorted, window)
        preserved += np.log10(1 + gain**2 * variance / (noise + _NOISE_VARIANCE)).sum()
        available += np.log10(1 + variance / _NOISE_VARIANCE).sum()
    return float(preserved / available) if available > 0 else 1.0


def _channel(
    reference: np.ndarray, distorted: np.ndarray, window: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return gain and noise of the distortion channel, and the reference's variance, locally."""
    mean_reference, mean_distorted = _filter(reference, window), _filter(distorted, window)
    variance = np.maximum(_filter(reference**2, window) - mean_reference**2, 0)
    variance_distorted = np.maximum(_filter(distorted**2, window) - mean_distorted**2, 0)
    covariance = _filter(reference * distorted, window) - mean_reference * mean_distorted
    gain = covariance / (variance + _EPSILON)
    noise = variance_distorted - gain * covariance
    flat_reference = variance < _EPSILON
    gain[flat_reference] = 0
    noise[flat_reference] = variance_distorted[flat_reference]
    variance[flat_reference] = 0
    flat_distorted = variance_distorted < _EPSILON
    gain[flat_distorted] = 0
    noise[flat_distorted] = 0
    inverted = gain < 0
    noise[inverted] = variance_distorted[inverted]
    gain[inverted] = 0
    return gain, np.maximum(noise, _EPSILON), variance


def _gaussian(size: int) -> np.ndarray:
    """Return the one-dimensional Gaussian of ``size`` taps and sigma size / 5; the window is its outer product."""
    taps = signal.windows.gaussian(size, size / 5)
    return taps / taps.sum()


def _filter(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    rows = signal.convolve(image, window[:, None], mode="valid", method="direct")
    return signal.convolve(rows, window[None, :], mode="valid", method="direct")
