"""What is changed at random in a training patch, so that the network meets more than a few heads from one atlas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Display:
    """How a source is shown: a factor of its window and a gamma, alike for all patches of one step.

    One volume is shown in one window, so the patches of a step must be too: else the same pair of values would stand
    for other tissue in the next patch.
    """

    factor: float
    gamma: float

    @classmethod
    def at_random(cls, random: np.random.Generator) -> Display:
        """Draw one."""
        return cls(random.uniform(0.8, 1.2), float(np.exp(random.uniform(-0.3, 0.3))))

    def __call__(self, source: np.ndarray) -> np.ndarray:
        """Show a source in [0, 1] so; black stays black."""
        return np.clip(source * self.factor, 0, 1) ** self.gamma


def augment(patch: np.ndarray, displays: tuple[Display, Display], random: np.random.Generator) -> np.ndarray:
    """Turn and mirror ``patch`` (2, size, size) in [0, 1], show each source in its own window, and add noise."""
    patch = np.rot90(patch, int(random.integers(4)), axes=(1, 2))
    if random.random() < 0.5:
        patch = patch[:, :, ::-1]
    shown = [display(source) for display, source in zip(displays, patch, strict=True)]
    return np.stack([_add_noise(one, random) if random.random() < 0.3 else one for one in shown]).astype(np.float32)


def _add_noise(source: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Add noise of up to 3 % of the range where there is signal."""
    noise = random.normal(scale=random.uniform(0, 0.03), size=source.shape)
    return np.where(source > 0.02, np.clip(source + noise, 0, 1), source)
