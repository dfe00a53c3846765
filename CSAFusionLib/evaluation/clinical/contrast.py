"""Contrast-to-noise ratio of a region against its surroundings."""

from __future__ import annotations

import numpy as np

LEAST_NOISE = 0.02
"""Five grey values of 256: less than that between a lesion and its surroundings is not seen anyway."""


def contrast_to_noise(image: np.ndarray, region: np.ndarray, surroundings: np.ndarray) -> float:
    """Return the mean of a region less that of its surroundings, over the standard deviation of the latter.

    Args:
        image: values from 0 to 1.
        region: mask, of the image's shape.
        surroundings: mask, of the image's shape.
    """
    around = image[surroundings].astype(np.float64)
    return float((image[region].mean(dtype=np.float64) - around.mean()) / max(around.std(), LEAST_NOISE))


def kept_contrast(fused: np.ndarray, a: np.ndarray, b: np.ndarray, region: np.ndarray, around: np.ndarray) -> float:
    """Return the fused contrast-to-noise ratio over that of the source which shows the region better, in size."""
    of_fused, *of_sources = (abs(contrast_to_noise(image, region, around)) for image in (fused, a, b))
    return of_fused / max(of_sources)
