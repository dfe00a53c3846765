"""SSIM of the fused image with a source."""

from __future__ import annotations

from functools import partial

import numpy as np

from CSAFusionLib.evaluation.metrics.windows import gaussian_means

_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(source: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean SSIM over the region where the 11x11 Gaussian window (sigma 1.5) lies inside the image.

    Wang et al. 2004, with population covariances.

    Args:
        source: (H, W), 0 to 255, at least 11x11.
        fused: (H, W), 0 to 255.
    """
    mean = partial(gaussian_means, size=11, sigma=1.5)
    x, y = source.astype(np.float64), fused.astype(np.float64)
    mean_x, mean_y = mean(x), mean(y)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    luminance = (2 * product + _C1) / (squares + _C1)
    structure = (2 * (mean(x * y) - product) + _C2) / (mean(x * x + y * y) - squares + _C2)
    return float((luminance * structure).mean())
