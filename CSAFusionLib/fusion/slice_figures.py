"""What each slice of a result has kept of its two sources, in figures light enough for every run."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

_RADIUS = 3  # pixels of the square window, 7 by 7
# Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, for values in [0, 1].
_C1, _C2 = 0.01**2, 0.03**2
_NAMES = ("ssim_moving", "ssim_fixed", "correlation_moving", "correlation_fixed")


def slice_figures(fused: np.ndarray, fixed: np.ndarray, moving: np.ndarray) -> dict[str, list[float]]:
    """Compare fused slices with both sources, slice by slice; NaN where both sources are black.

    Args:
        fused, fixed, moving: (S, H, W) in [0, 1].

    Returns:
        Lists of S figures: ``ssim_fixed``, ``ssim_moving`` (structural similarity, mean over the pixels where a source
        has a signal) and ``correlation_fixed``, ``correlation_moving`` (of the same pixels).
    """
    # One slice after the other: whole volumes of local means would be the largest thing in memory of a whole run.
    figures = [_of_slice(*slices) for slices in zip(fused, fixed, moving, strict=True)]
    return {name: [figure[name] for figure in figures] for name in _NAMES}


def _of_slice(fused: np.ndarray, fixed: np.ndarray, moving: np.ndarray) -> dict[str, float]:
    seen = (fixed > 0) | (moving > 0)
    if not seen.any():
        return dict.fromkeys(_NAMES, float("nan"))
    return {
        "ssim_fixed": float(_similarity(fused, fixed)[seen].mean()),
        "ssim_moving": float(_similarity(fused, moving)[seen].mean()),
        "correlation_fixed": _correlation(fused[seen], fixed[seen]),
        "correlation_moving": _correlation(fused[seen], moving[seen]),
    }


def _similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural similarity at every pixel, (H, W)."""
    mean_a, mean_b = _local_mean(a), _local_mean(b)
    variance_a = _local_mean(a * a) - mean_a**2
    variance_b = _local_mean(b * b) - mean_b**2
    covariance = _local_mean(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return luminance * (2 * covariance + _C2) / (variance_a + variance_b + _C2)


def _local_mean(image: np.ndarray) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.BoxMean(sitk.GetImageFromArray(image), [_RADIUS, _RADIUS]))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a.astype(float), b.astype(float))[0, 1])
