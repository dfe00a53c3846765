"""The validation loss, on whole slices of patients the network is not trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from CSAFusionLib.losses.fusion_loss import training_loss_terms, weighted_sum
from CSAFusionLib.training.configuration import TrainingConfiguration
from CSAFusionLib.training.lesion_augmentation import add_lesions
from CSAFusionLib.training.pairs import ImagePair


@torch.inference_mode()
def validation_loss(
    network: nn.Module, pairs: Sequence[ImagePair], configuration: TrainingConfiguration, device: torch.device
) -> dict[str, float]:
    """Return the loss and its unweighted terms; the mean of the kinds' means, so that every kind counts alike."""
    network.eval()
    weights, target = configuration.loss_weights, configuration.retention_target
    of_kind: dict[str, list[dict[str, float]]] = defaultdict(list)
    for pair in pairs:
        both = np.stack([pair.a, pair.b])
        # The same lesions every time, so that one epoch's loss can be compared with another's.
        marked = add_lesions(both, np.random.default_rng(0), configuration.opposite_lesions)
        terms = training_loss_terms(network, _as_batch(both, device), _as_batch(marked, device), weights, target)
        terms["loss"] = weighted_sum(terms, weights)
        of_kind[pair.kind.value].append({name: float(value) for name, value in terms.items()})
    return {
        name: sum(sum(t[name] for t in terms) / len(terms) for terms in of_kind.values()) / len(of_kind)
        for name in next(iter(of_kind.values()))[0]
    }


def _as_batch(sources: np.ndarray, device: torch.device) -> Tensor:
    """Return both sources (2, H, W) as a batch of one, (1, 2, H, W)."""
    return torch.from_numpy(sources)[None].to(device)
