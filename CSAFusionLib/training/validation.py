"""The validation loss, on whole slices of patients the network is not trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from CSAFusionLib.losses.fusion_loss import LossWeights, fusion_loss_terms, weighted_sum
from CSAFusionLib.training.pairs import ImagePair


@torch.inference_mode()
def validation_loss(
    network: nn.Module, pairs: Sequence[ImagePair], weights: LossWeights, device: torch.device
) -> dict[str, float]:
    """Return the loss and its unweighted terms; the mean of the kinds' means, so that every kind counts alike."""
    network.eval()
    of_kind: dict[str, list[dict[str, float]]] = defaultdict(list)
    for pair in pairs:
        sources = as_batch(pair, device)
        a, b = sources[:, :1], sources[:, 1:]
        terms = fusion_loss_terms(network(sources), a, b)
        terms["loss"] = weighted_sum(terms, weights)
        of_kind[pair.kind.value].append({name: float(value) for name, value in terms.items()})
    return {
        name: sum(sum(t[name] for t in terms) / len(terms) for terms in of_kind.values()) / len(of_kind)
        for name in ("loss", *weights.to_dict())
    }


def as_batch(pair: ImagePair, device: torch.device) -> Tensor:
    """Return a pair as a batch of one, (1, 2, H, W)."""
    both = torch.stack([torch.from_numpy(pair.a), torch.from_numpy(pair.b)]).unsqueeze(0)
    return both.to(device, memory_format=torch.channels_last)
