"""What each slice of a result has kept of its two sources, in figures light enough for every run."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

_RADIUS = 3  # pixels of the square window, 7 by 7
# Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, for values in [0, 1].
_C1, _C2 = 0.01**2, 0.03**2


def slice_figures(fused: np.ndarray, fixed: np.ndarray, moving: np.ndarray) -> dict[str, list[float]]:
    """Compare fused slices with both sources, slice by slice; NaN where both sources are black.

    Args:
        fused, fixed, moving: (S, H, W) in [0, 1].

    Returns:
        Lists of S figures: ``ssim_fixed``, ``ssim_moving`` (structural similarity, mean over the pixels where a source
        has a signal) and ``correlation_fixed``, ``correlation_moving`` (of the same pixels).
    """
    seen = (fixed > 0) | (moving > 0)
    figures: dict[str, list[float]] = {}
    for name, source in (("fixed", fixed), ("moving", moving)):
        figures[f"ssim_{name}"] = _means(_similarity(fused, source), seen)
        figures[f"correlation_{name}"] = [_correlation(*pair) for pair in zip(fused, source, seen, strict=True)]
    return {name: figures[name] for name in sorted(figures, reverse=True)}


def _similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural similarity at every pixel, (S, H, W)."""
    mean_a, mean_b = _local_mean(a), _local_mean(b)
    variance_a = _local_mean(a * a) - mean_a**2
    variance_b = _local_mean(b * b) - mean_b**2
    covariance = _local_mean(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return luminance * (2 * covariance + _C2) / (variance_a + variance_b + _C2)


def _local_mean(slices: np.ndarray) -> np.ndarray:
    """Mean over a window in the plane of each slice."""
    return sitk.GetArrayFromImage(sitk.BoxMean(sitk.GetImageFromArray(slices), [_RADIUS, _RADIUS, 0]))


def _means(values: np.ndarray, seen: np.ndarray) -> list[float]:
    return [float(one[mask].mean()) if mask.any() else float("nan") for one, mask in zip(values, seen, strict=True)]


def _correlation(a: np.ndarray, b: np.ndarray, seen: np.ndarray) -> float:
    a, b = a[seen].astype(float), b[seen].astype(float)
    if not seen.any() or a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
