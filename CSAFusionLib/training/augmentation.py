"""What is changed at random in a training patch, so that the network meets more than a few heads from one atlas."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.training.pairs import PairKind


def augment(patch: np.ndarray, kind: PairKind, random: np.random.Generator) -> np.ndarray:
    """Turn and mirror ``patch`` (2, size, size) in [0, 1], and change each source's intensities on its own.

    T1 and T2 also change places: the network must not care which of them comes first.
    """
    patch = np.rot90(patch, int(random.integers(4)), axes=(1, 2))
    if random.random() < 0.5:
        patch = patch[:, :, ::-1]
    if kind is PairKind.T1_T2 and random.random() < 0.5:
        patch = patch[::-1]
    return np.stack([_change_intensities(source, random) for source in patch]).astype(np.float32)


def _change_intensities(source: np.ndarray, random: np.random.Generator) -> np.ndarray:
    changed = _window(source, random) ** np.exp(random.uniform(-0.35, 0.35))
    if random.random() < 0.3:
        changed = _add_noise(changed, random)
    return changed


def _window(source: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Show the source in another window; black stays black."""
    return np.clip(source * random.uniform(0.8, 1.2), 0, 1)


def _add_noise(source: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Add noise of up to 3 % of the range where there is signal."""
    noise = random.normal(scale=random.uniform(0, 0.03), size=source.shape)
    return np.where(source > 0.02, np.clip(source + noise, 0, 1), source)
