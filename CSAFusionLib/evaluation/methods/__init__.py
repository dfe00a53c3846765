"""Ways to fuse two slices into one, a file each: what the network is compared with, and the network itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

FusionMethod = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes two slices (H, W) float32 in [0, 1] and returns the fused one, alike."""
