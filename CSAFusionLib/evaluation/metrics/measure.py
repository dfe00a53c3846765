"""All metrics of one fused image at once, under the names the tables use."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.metrics.edge_preservation import epi
from CSAFusionLib.evaluation.metrics.structural_similarity import ssim
from CSAFusionLib.evaluation.metrics.visual_information import vif


def measure(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    """Return every metric of a fused image.

    Args:
        a: the source CT, PET, SPECT or T1, (H, W), 0 to 255, at least 41x41 pixels.
        b: the source MR or T2, (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    ssim_a, ssim_b = ssim(a, fused), ssim(b, fused)
    epi_a, epi_b = epi(a, fused), epi(b, fused)
    return {
        "SSIM(A)": ssim_a,
        "SSIM(B)": ssim_b,
        "SSIM sum": ssim_a + ssim_b,
        "EPI(A)": epi_a,
        "EPI(B)": epi_b,
        "EPI sum": epi_a + epi_b,
        "VIF": (vif(a, fused) + vif(b, fused)) / 2,
    }
