"""The weighted terms together: the article's six, and two for edges."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import Tensor

from CSAFusionLib.losses.contrast import contrast_loss
from CSAFusionLib.losses.edge_correlation import edge_loss
from CSAFusionLib.losses.regional_mutual_information import rmi_loss
from CSAFusionLib.losses.structural_similarity import ssim_loss


@dataclass(frozen=True)
class LossWeights:
    """The weight of each term, by default the article's; a is CT, PET, SPECT or T1, b is MR or T2."""

    ssim_a: float = 1.0
    ssim_b: float = 1.0
    rmi_a: float = 1.0
    rmi_b: float = 2.5
    contrast_a: float = 1.0
    contrast_b: float = 1.0
    edge_a: float = 0.0
    edge_b: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """Return the weights by name."""
        return asdict(self)


def fusion_loss_terms(fused: Tensor, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """Return the unweighted terms, scalars, under the names of :class:`LossWeights`.

    Args:
        fused: the fused images, (B, 1, H, W) in [0, 1].
        a: the first sources, (B, 1, H, W) in [0, 1].
        b: the second sources, (B, 1, H, W) in [0, 1].
    """
    return {
        "ssim_a": ssim_loss(fused, a),
        "ssim_b": ssim_loss(fused, b),
        "rmi_a": rmi_loss(fused, a),
        "rmi_b": rmi_loss(fused, b),
        "contrast_a": contrast_loss(fused, a, b),
        "contrast_b": contrast_loss(fused, b, a),
        "edge_a": edge_loss(fused, a),
        "edge_b": edge_loss(fused, b),
    }


def weighted_sum(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Return the training loss, a scalar: the terms times their weights."""
    return sum((weight * terms[name] for name, weight in weights.to_dict().items()), start=0 * terms["ssim_a"])
