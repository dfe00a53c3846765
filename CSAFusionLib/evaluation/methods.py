"""What is compared: ways to fuse two slices, each (H, W) float32 in [0, 1], into one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from CSAFusionLib.network.csafusion import CSAFusion

FusionMethod = Callable[[np.ndarray, np.ndarray], np.ndarray]


def average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The mean of both: the overlay at 50 % that Slicer shows."""
    return (a + b) / 2


def maximum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The brighter of both."""
    return np.maximum(a, b)


def by_network(network: CSAFusion) -> FusionMethod:
    """Return the method that fuses with ``network``, which is in evaluation mode on the CPU."""
    import torch

    def fuse(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(np.stack([a, b])[None]))[0, 0].numpy()

    return fuse
