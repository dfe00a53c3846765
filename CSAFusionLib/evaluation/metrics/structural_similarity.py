"""SSIM of the fused image with a source."""

from __future__ import annotations

import numpy as np

_RADIUS = 5


def ssim(source: np.ndarray, fused: np.ndarray) -> float:
    """Return the mean SSIM over the region where the 11x11 Gaussian window (sigma 1.5) lies inside the image.

    Wang et al. 2004, with population covariances.

    Args:
        source: (H, W), 0 to 255, at least 11x11.
        fused: (H, W), 0 to 255.
    """
    from skimage.metrics import structural_similarity

    _, similarity = structural_similarity(
        source.astype(np.float64),
        fused.astype(np.float64),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )
    return float(similarity[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS].mean())
