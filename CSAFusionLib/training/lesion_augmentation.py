"""Synthetic lesions for training: something that only one of the two sources shows."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_TRIES = 3
_SEMI_AXES = (2.0, 10.0)
"""Smallest and largest semi-axis of a lesion, in pixels."""
_SOFT_EDGES = (1.0, 4.0)
_CONTRASTS = (0.1, 0.5)
_LEAST_ROOM = 0.06
"""Where the tissue can get neither brighter nor darker by this much, no lesion is put."""
_BACKGROUND = 0.04
_LEAST_TISSUE = 0.9


def add_lesions(patch: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a copy of a patch in which one source, drawn at random, has up to three lesions, brighter or darker.

    They are ellipses of any direction, so that the network does not learn the discs that evaluation puts in.

    Args:
        patch: (2, H, W) in [0, 1].
        random: decides the source, the places, the shapes and the contrasts.
    """
    marked = patch.astype(np.float32)
    source = marked[random.integers(2)]
    tissue = ndimage.binary_fill_holes(source > _BACKGROUND)
    taken = np.zeros(source.shape, bool)
    for _ in range(_TRIES):
        lesion = _ellipse(source.shape, random)
        touched = lesion > 0
        if not touched.any() or taken[touched].any() or tissue[touched].mean() < _LEAST_TISSUE:
            continue
        sign, room = _room(source[touched], random)
        if room >= _LEAST_ROOM:
            source += sign * min(room, random.uniform(*_CONTRASTS)) * lesion
            taken |= touched
    return np.clip(marked, 0, 1)


def _ellipse(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Return a lesion's share of its contrast at each pixel: 1 inside, 0 outside, one half at the ellipse itself."""
    row, column = (np.indices(shape) - random.uniform(0, shape)[:, None, None]).astype(np.float32)
    angle, axes = random.uniform(0, np.pi), random.uniform(*_SEMI_AXES, size=2)
    along, across = np.cos(angle) * row + np.sin(angle) * column, np.cos(angle) * column - np.sin(angle) * row
    outside = (np.hypot(along / axes[0], across / axes[1]) - 1) * axes.min()
    return np.clip(0.5 - outside / random.uniform(*_SOFT_EDGES), 0, 1).astype(np.float32)


def _room(tissue: np.ndarray, random: np.random.Generator) -> tuple[int, float]:
    """Return a sign, and by how much the tissue can change that way without being clipped; the other if it has none."""
    rooms = {1: 1 - float(tissue.max()), -1: float(tissue.min())}
    sign = 1 if random.random() < 0.5 else -1
    sign = sign if rooms[sign] >= _LEAST_ROOM else -sign
    return sign, rooms[sign]
