"""The losses that are a metric turned round: 0 for a fused image that the metric finds perfect."""

from __future__ import annotations

from torch import Tensor

from CSAFusionLib.metrics.edge_preservation import epi
from CSAFusionLib.metrics.gradient_transfer import qabf
from CSAFusionLib.metrics.structural_similarity import ssim
from CSAFusionLib.metrics.visual_information import vif

# Single precision and derivatives of flat images need more than the metrics do in double precision.
_EDGE_EPSILON = 1e-6
_VIF_EPSILON = 1e-10


def ssim_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return 1 - SSIM, the mean over the batch.

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 11x11.
        source: (B, 1, H, W) in [0, 1].
    """
    return 1 - ssim(fused, source).mean()


def ssim_parity_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the squared difference of the SSIM with both sources, the mean over the batch.

    Not in the article. RMI, visual information and edge correlation all reward a plain copy of the source with more
    texture, mostly the MR. Their sum with SSIM has a minimum there; this term makes that minimum expensive.

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 11x11.
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].
    """
    return (ssim(fused, a) - ssim(fused, b)).square().mean()


def edge_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return 1 - EPI, the mean over the batch.

    Not in the article. SSIM, RMI and contrast leave open which of two edges is kept where both sources have one.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        source: (B, 1, H, W) in [0, 1].
    """
    return (1 - epi(fused, source, _EDGE_EPSILON)).mean()


def vif_loss(fused: Tensor, source: Tensor) -> Tensor:
    """Return 1 - VIF, the mean over the batch; below 0 where contrast is raised.

    Args:
        fused: (B, 1, H, W) in [0, 1], at least 41x41.
        source: (B, 1, H, W) in [0, 1].
    """
    return (1 - vif(fused, source, _VIF_EPSILON)).mean()


def transfer_loss(fused: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return 1 - QABF, in the form that has a derivative everywhere, the mean over the batch, 0 to 1.

    Not in the article.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        a: (B, 1, H, W) in [0, 1].
        b: (B, 1, H, W) in [0, 1].
    """
    return (1 - qabf(fused, a, b, smooth=True)).mean()
