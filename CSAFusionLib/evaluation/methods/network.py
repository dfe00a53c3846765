"""Fusion by a trained network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.evaluation.methods import FusionMethod

if TYPE_CHECKING:
    from CSAFusionLib.network.csafusion import CSAFusion


def by_network(network: CSAFusion, device: str = "cpu") -> FusionMethod:
    """Return the method that fuses with ``network``, which is in evaluation mode and is moved to ``device``."""
    import torch

    network = network.to(device)

    def fuse(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(np.stack([a, b])[None]).to(device))[0, 0].cpu().numpy()

    return fuse
