"""EPI: how alike the edges of the fused image and of a source are."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from CSAFusionLib.evaluation.metrics.gradients import sobel_gradient


def epi(source: np.ndarray, fused: np.ndarray) -> float:
    """Return the correlation coefficient of the two Laplacian images, -1 to 1; 0 if one of them has no edge at all.

    The Laplacian has four neighbours, edges replicated. Sattar et al. 1997.

    Args:
        source: (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    return correlation(_laplacian(source), _laplacian(fused))


def epi_of_gradients(source: np.ndarray, fused: np.ndarray) -> float:
    """Return the correlation coefficient of the two Sobel gradient magnitudes, -1 to 1; 0 if one of them is flat.

    :func:`epi` with first derivatives: less a matter of the finest grain.

    Args:
        source: (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    return correlation(_gradient_magnitude(source), _gradient_magnitude(fused))


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation coefficient of two arrays of one shape; 0 if one of them is constant."""
    x, y = (values.ravel() - values.mean() for values in (first, second))
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else 0.0


def _laplacian(image: np.ndarray) -> np.ndarray:
    return ndimage.laplace(image.astype(np.float64), mode="nearest")


def _gradient_magnitude(image: np.ndarray) -> np.ndarray:
    down, right = sobel_gradient(image)
    return np.sqrt(down**2 + right**2)
