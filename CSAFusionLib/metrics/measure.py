"""All metrics of one fused image at once, under the names the tables use."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.metrics.edge_metrics import average_gradient, spatial_frequency
from CSAFusionLib.metrics.information_metrics import fmi, qncie, qncie_of_pearson

INDICATORS = ("SSIM sum", "EPI sum", "QNCIE", "FMI", "VIF", "QABF")
"""The metrics by which methods are ranked and tested; for each of them, larger is better."""


def measure(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    """Return every metric of a fused image.

    Args:
        a: the source CT, PET, SPECT or T1, (H, W), 0 to 255, at least 41x41 pixels.
        b: the source MR or T2, (H, W), 0 to 255.
        fused: (H, W), 0 to 255.
    """
    shared = _shared_with_losses(a, b, fused)
    return {
        **_of_both("SSIM", *shared["SSIM"]),
        **_of_both("EPI", *shared["EPI"]),
        "EPIg(A)": shared["EPIg"][0],
        "EPIg(B)": shared["EPIg"][1],
        "SF": spatial_frequency(fused),
        "AG": average_gradient(fused),
        "QNCIE": qncie(a, b, fused),
        "QNCIE_r": qncie_of_pearson(a, b, fused),
        "FMI": (fmi(a, fused) + fmi(b, fused)) / 2,
        "VIF": sum(shared["VIF"]) / 2,
        "QABF": shared["QABF"][0],
        "SSIM balance": _balance(*shared["SSIM"]),
        "EPI balance": _balance(*shared["EPI"]),
    }


def _shared_with_losses(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> dict[str, list[float]]:
    """Return the metrics that PyTorch computes, of both sources or of the pair, in double precision."""
    import torch

    from CSAFusionLib.metrics.edge_metrics import epi, epi_of_gradients, qabf
    from CSAFusionLib.metrics.information_metrics import ssim, vif

    sources = torch.from_numpy(np.stack([a, b]).astype(np.float64))[:, None] / 255
    image = torch.from_numpy(fused.astype(np.float64))[None, None] / 255
    both = image.expand_as(sources)
    found = {"SSIM": ssim, "EPI": epi, "EPIg": epi_of_gradients, "VIF": vif}
    with torch.inference_mode():
        measured = {name: metric(both, sources).tolist() for name, metric in found.items()}
        return {**measured, "QABF": qabf(image, sources[:1], sources[1:]).tolist()}


def _of_both(name: str, of_a: float, of_b: float) -> dict[str, float]:
    return {f"{name}(A)": of_a, f"{name}(B)": of_b, f"{name} sum": of_a + of_b}


def _balance(of_a: float, of_b: float) -> float:
    """Return the smaller over the larger: 1 where both sources are kept alike, 0 where one is lost or inverted."""
    low, high = sorted((of_a, of_b))
    return low / high if low > 0 else 0.0
