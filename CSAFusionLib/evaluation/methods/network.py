"""Fusion by a trained network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.evaluation.methods import FusionMethod

if TYPE_CHECKING:
    from torch import nn


def by_network(network: nn.Module, device: str = "cpu") -> FusionMethod:
    """Return the method that fuses with ``network``, which is in evaluation mode and is moved to ``device``.

    Args:
        network: takes (1, 2, H, W); the first channel of what it gives is the fused image.
    """
    import torch

    network = network.to(device)

    def fuse(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(np.stack([a, b])[None]).to(device))[0, 0].cpu().numpy()

    return fuse
