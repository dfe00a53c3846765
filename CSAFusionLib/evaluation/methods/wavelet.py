"""Fusion in the discrete wavelet transform (DWT): the larger coefficient of detail, the mean approximation."""

from __future__ import annotations

import numpy as np
import pywt

_WAVELET = "bior2.2"
_LEVELS = 4


def wavelet(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Fuse two slices (H, W) in [0, 1] of any size: choose-max of the details, averaged approximations.

    Li, Manjunath and Mitra 1995, in four levels, less for small slices. The symmetric wavelet bior2.2 is the one often
    taken in comparisons; on both CT-MRI and SPECT-MRI it leaves fewer ghosts of strong edges than sym4 does.
    """
    levels = min(_LEVELS, pywt.dwtn_max_level(a.shape, _WAVELET))
    (base_a, *details_a), (base_b, *details_b) = (pywt.wavedec2(image, _WAVELET, level=levels) for image in (a, b))
    details = [
        tuple(_larger(*bands) for bands in zip(of_a, of_b, strict=True))
        for of_a, of_b in zip(details_a, details_b, strict=True)
    ]
    height, width = a.shape
    fused = pywt.waverec2([(base_a + base_b) / 2, *details], _WAVELET)[:height, :width]
    return np.clip(fused, 0, 1).astype(np.float32)


def _larger(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(np.abs(a) >= np.abs(b), a, b)
