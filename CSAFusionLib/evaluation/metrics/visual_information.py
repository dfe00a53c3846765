"""VIF: how much of a source's visual information the fused image holds."""

from __future__ import annotations

from functools import partial

import numpy as np

from CSAFusionLib.evaluation.metrics.windows import gaussian_means

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
        size = 2 ** (_SCALES - scale) + 1
        if scale > 0:
            reference, distorted = (gaussian_means(x, size, size / 5, step=2) for x in (reference, distorted))
        gain, noise, variance = _channel(reference, distorted, size)
        preserved += np.log(1 + gain**2 * variance / (noise + _NOISE_VARIANCE)).sum()
        available += np.log(1 + variance / _NOISE_VARIANCE).sum()
    return float(preserved / available) if available > 0 else 1.0


def _channel(reference: np.ndarray, distorted: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return gain and noise of the distortion channel, and the reference's variance, in each window.

    Where one of them is flat, or they run against each other, nothing comes through and all there is is noise.
    """
    mean = partial(gaussian_means, size=size, sigma=size / 5)
    mean_reference, mean_distorted = mean(reference), mean(distorted)
    variance = np.maximum(mean(reference**2) - mean_reference**2, 0)
    variance_distorted = np.maximum(mean(distorted**2) - mean_distorted**2, 0)
    covariance = mean(reference * distorted) - mean_reference * mean_distorted
    gain = np.maximum(covariance, 0) / (variance + _EPSILON)
    gain[(variance < _EPSILON) | (variance_distorted < _EPSILON)] = 0
    return gain, np.maximum(variance_distorted - gain * covariance, _EPSILON), variance
