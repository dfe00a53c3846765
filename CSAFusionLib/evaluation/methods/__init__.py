"""Ways to fuse two slices into one, a file each: what the network is compared with, and the network itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

FusionMethod = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes two slices (H, W) float32 in [0, 1] and returns the fused one, alike."""

VolumeMethod = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""Takes the slices (S, H, W) float32 in [0, 1] of two volumes and their spacing in mm, and returns the fused ones."""


def slice_by_slice(method: FusionMethod) -> VolumeMethod:
    """Return what fuses every slice of two volumes on its own."""
    return lambda a, b, spacing: np.stack([method(*slices) for slices in zip(a, b, strict=True)])
