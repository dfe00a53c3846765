"""Fusion in the Laplacian pyramid: the stronger detail of each scale, the mean of what is left."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_LEVELS = 4
_KERNEL = np.array([1, 4, 6, 4, 1]) / 16
_WINDOW = 3


def laplacian_pyramid(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Fuse two slices (H, W) in [0, 1] of any size in four levels of detail.

    The pyramid is that of Burt and Adelson 1983 (generating kernel with a = 0.375). At each level, each pixel of detail
    comes from the source with the larger energy in 3x3 pixels (Burt and Kolczynski 1993); the base is averaged.
    """
    details_a, base_a = _decompose(a)
    details_b, base_b = _decompose(b)
    fused = (base_a + base_b) / 2
    for detail_a, detail_b in zip(reversed(details_a), reversed(details_b), strict=True):
        fused = _expand(fused, detail_a.shape) + np.where(_energy(detail_a) >= _energy(detail_b), detail_a, detail_b)
    return np.clip(fused, 0, 1).astype(np.float32)


def _decompose(image: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the details, the finest first, and the base."""
    details, base = [], image.astype(np.float64)
    for _ in range(_LEVELS):
        reduced = _smooth(base)[::2, ::2]
        details.append(base - _expand(reduced, base.shape))
        base = reduced
    return details, base


def _expand(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    spread = np.zeros(shape)
    spread[::2, ::2] = image
    return 4 * _smooth(spread)


def _smooth(image: np.ndarray) -> np.ndarray:
    # Mirrored at the border pixel, so that the zeros between spread samples go on in step beyond it.
    rows = ndimage.correlate1d(image, _KERNEL, axis=0, mode="mirror")
    return ndimage.correlate1d(rows, _KERNEL, axis=1, mode="mirror")


def _energy(detail: np.ndarray) -> np.ndarray:
    return ndimage.uniform_filter(detail**2, _WINDOW)
