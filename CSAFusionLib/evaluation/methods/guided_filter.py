"""Guided filter fusion (GFF): base and detail, weighted by saliency whose maps follow the edges of the sources."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_BASE_SIZE = 31
_SALIENCY_RADIUS = 5
_SALIENCY_SIGMA = 5.0
_BASE_RADIUS, _BASE_EPSILON = 45, 0.3
_DETAIL_RADIUS, _DETAIL_EPSILON = 7, 1e-6
_TINY = 1e-12


def guided_filter(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Fuse two slices (H, W) in [0, 1].

    Li, Kang and Hu 2013, "Image fusion with guided filtering", with the article's parameters: base by a 31x31 mean,
    saliency as the Laplacian's magnitude smoothed over 11x11 pixels (sigma 5), weight maps filtered with radius 45 and
    epsilon 0.3 for the base, 7 and 1e-6 for the detail.
    """
    sources = np.stack([a, b]).astype(np.float64)
    bases = ndimage.uniform_filter(sources, (0, _BASE_SIZE, _BASE_SIZE), mode="nearest")
    saliency = _saliency(sources)
    chosen = (saliency == saliency.max(axis=0)).astype(np.float64)
    fused = _weighted(bases, _refined(chosen, sources, _BASE_RADIUS, _BASE_EPSILON)) + _weighted(
        sources - bases, _refined(chosen, sources, _DETAIL_RADIUS, _DETAIL_EPSILON)
    )
    return np.clip(fused, 0, 1).astype(np.float32)


def _saliency(sources: np.ndarray) -> np.ndarray:
    strength = np.abs([ndimage.laplace(source, mode="nearest") for source in sources])
    return ndimage.gaussian_filter(strength, (0, _SALIENCY_SIGMA, _SALIENCY_SIGMA), radius=(0, *[_SALIENCY_RADIUS] * 2))


def _weighted(layers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (layers * weights).sum(axis=0) / weights.sum(axis=0)


def _refined(weights: np.ndarray, guides: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Return weight maps (2, H, W) that vary as the guides do within a window: He, Sun and Tang 2013."""
    mean_guide, mean_weight = _mean(guides, radius), _mean(weights, radius)
    covariance = _mean(guides * weights, radius) - mean_guide * mean_weight
    slope = covariance / (_mean(guides**2, radius) - mean_guide**2 + epsilon)
    offset = mean_weight - slope * mean_guide
    # The linear model overshoots at strong edges; a weight cannot be negative.
    return np.maximum(_mean(slope, radius) * guides + _mean(offset, radius), _TINY)


def _mean(images: np.ndarray, radius: int) -> np.ndarray:
    """Return the mean over a square window, over its part inside the image at the borders."""
    size = (0, 2 * radius + 1, 2 * radius + 1)
    inside = ndimage.uniform_filter(np.ones_like(images[:1]), size, mode="constant")
    return ndimage.uniform_filter(images, size, mode="constant") / inside
