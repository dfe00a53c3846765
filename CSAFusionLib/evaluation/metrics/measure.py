"""All metrics of one fused image at once, under the names the tables use."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.metrics.activity import average_gradient, spatial_frequency
from CSAFusionLib.evaluation.metrics.edge_preservation import epi, epi_of_gradients
from CSAFusionLib.evaluation.metrics.feature_mutual_information import fmi
from CSAFusionLib.evaluation.metrics.gradient_transfer import qabf
from CSAFusionLib.evaluation.metrics.nonlinear_correlation import qncie, qncie_of_pearson
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
        "EPIg(A)": epi_of_gradients(a, fused),
        "EPIg(B)": epi_of_gradients(b, fused),
        "SF": spatial_frequency(fused),
        "AG": average_gradient(fused),
        "QNCIE": qncie(a, b, fused),
        "QNCIE_r": qncie_of_pearson(a, b, fused),
        "FMI": (fmi(a, fused) + fmi(b, fused)) / 2,
        "VIF": (vif(a, fused) + vif(b, fused)) / 2,
        "QABF": qabf(a, b, fused),
        "SSIM balance": _balance(ssim_a, ssim_b),
        "EPI balance": _balance(epi_a, epi_b),
    }


def _balance(of_a: float, of_b: float) -> float:
    """Return the smaller over the larger: 1 where both sources are kept alike, 0 where one is lost or inverted."""
    low, high = sorted((of_a, of_b))
    return low / high if low > 0 else 0.0
