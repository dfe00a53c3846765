"""The weighted sum of all terms: the article's six, and twelve that it does not have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.losses.terms import (
    RETENTION_TARGET,
    artefact_loss,
    clipping_loss,
    consistency_loss,
    contrast_loss,
    edge_loss,
    gradient_loss,
    highlights_loss,
    retention_loss,
    rmi_loss,
    ssim_loss,
    ssim_parity_loss,
    transfer_loss,
    vif_loss,
)

_MOST = 1e6
_FORMER_NAMES = {"balance": "ssim_parity", "invention": "artefacts"}


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
    vif_a: float = 0.0
    vif_b: float = 0.0
    ssim_parity: float = 0.0
    gradient: float = 0.0
    transfer: float = 0.0
    artefacts: float = 0.0
    highlights: float = 0.0
    retention: float = 0.0
    consistency: float = 0.0
    clipping: float = 0.0

    def __post_init__(self) -> None:
        for name, weight in asdict(self).items():
            what, hint = f"weight of the loss {name}", f"a number from 0 to {_MOST:g}"
            object.__setattr__(self, name, checks.number(weight, what, hint, low=0, high=_MOST))

    def to_dict(self) -> dict[str, float]:
        """Return the weights by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, weights: object) -> LossWeights:
        """Return the weights that :meth:`to_dict` gave, in this version or an earlier one; InputError for others."""
        return cls(**{current_name(term): weight for term, weight in checks.mapping(weights, "loss weights").items()})


def current_name(term: str) -> str:
    """Return the name of a term that settings or a command of an earlier version may call by its former name."""
    return _FORMER_NAMES.get(term, term)


def parse_loss_weights(text: str) -> LossWeights:
    """Return the weights that ``text`` names, such as ``ssim=1,rmi=1:2.5``; a term that is not named has none.

    One number is for both sources, two are for a and b. Raises InputError for a term or a number that is none.
    """
    weights = dict.fromkeys(LossWeights().to_dict(), 0.0)
    for entry in text.split(","):
        named, _, values = entry.strip().partition("=")
        term = current_name(named)
        names = [name for name in (term, f"{term}_a", f"{term}_b") if name in weights]
        if not names:
            known = ", ".join(dict.fromkeys(name.removesuffix("_a").removesuffix("_b") for name in weights))
            raise InputError(f"The loss has no term '{term}'; it has {known}.")
        try:
            numbers = [float(value) for value in values.split(":")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, len(names)):
            raise InputError(f"The weight of {term} must be a number, or two like 1:2.5 for A and B, not '{values}'.")
        weights.update(zip(names, numbers * len(names), strict=False))
    return LossWeights(**weights)


def training_loss_terms(
    network: nn.Module,
    plain: Tensor,
    marked: Tensor,
    weights: LossWeights | None = None,
    retention_target: float = RETENTION_TARGET,
) -> dict[str, Tensor]:
    """Fuse pairs of sources, as they are and with lesions, and return the unweighted terms of both together, scalars.

    Args:
        network: takes (B, 2, H, W) in [0, 1] and ``clip``, and gives (B, 1, H, W), in [0, 1] if clipped.
        plain: the sources, (B, 2, H, W) in [0, 1], at least 41x41, all of one patient.
        marked: the same with lesions in one source or in both.
        weights: terms without weight are left out; None takes all.
        retention_target: the share of its source's contrast-to-noise ratio at which a lesion stands out enough.
    """
    sources = torch.cat([plain, marked])
    unclipped = network(sources, clip=False)
    fused = unclipped.clamp(0, 1)
    without, having = fused.chunk(2)
    terms = _terms_of_images(fused, sources[:, :1], sources[:, 1:]) | {
        "retention": lambda: retention_loss(without, having, plain, marked, retention_target),
        "consistency": lambda: consistency_loss(fused, sources),
        "clipping": lambda: clipping_loss(unclipped),
    }
    return {name: term() for name, term in terms.items() if weights is None or weights.to_dict()[name]}


def fusion_loss_terms(fused: Tensor, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """Return the unweighted terms that a fused image alone decides, scalars, under the names of :class:`LossWeights`.

    Args:
        fused: the fused images, (B, 1, H, W) in [0, 1], at least 41x41.
        a: the first sources, (B, 1, H, W) in [0, 1].
        b: the second sources, (B, 1, H, W) in [0, 1].
    """
    return {name: term() for name, term in _terms_of_images(fused, a, b).items()}


def _terms_of_images(fused: Tensor, a: Tensor, b: Tensor) -> dict[str, Callable[[], Tensor]]:
    return {
        "ssim_a": lambda: ssim_loss(fused, a),
        "ssim_b": lambda: ssim_loss(fused, b),
        "rmi_a": lambda: rmi_loss(fused, a),
        "rmi_b": lambda: rmi_loss(fused, b),
        "contrast_a": lambda: contrast_loss(fused, a, b),
        "contrast_b": lambda: contrast_loss(fused, b, a),
        "edge_a": lambda: edge_loss(fused, a),
        "edge_b": lambda: edge_loss(fused, b),
        "vif_a": lambda: vif_loss(fused, a),
        "vif_b": lambda: vif_loss(fused, b),
        "ssim_parity": lambda: ssim_parity_loss(fused, a, b),
        "gradient": lambda: gradient_loss(fused, a, b),
        "transfer": lambda: transfer_loss(fused, a, b),
        "artefacts": lambda: artefact_loss(fused, a, b),
        "highlights": lambda: highlights_loss(fused, a, b),
    }


def weighted_sum(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Return the training loss, a scalar: the terms times their weights."""
    return sum((weights.to_dict()[name] * term for name, term in terms.items()), start=torch.zeros(()))
