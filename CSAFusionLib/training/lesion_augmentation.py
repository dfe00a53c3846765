"""Synthetic lesions for training: in one source, or in both with the same or with opposite signs."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_TRIES = 6
_SEMI_AXES = (2.5, 8.0)
"""Smallest and largest semi-axis of a lesion, in pixels."""
_SOFT_EDGES = (1.0, 4.0)
_CONTRASTS = (0.1, 0.4)
_LEAST_ROOM = 0.06
"""Where the tissue can get neither brighter nor darker by this much, no lesion is put."""
_BACKGROUND = 0.04
_LEAST_TISSUE = 0.9


OPPOSITE = 0.25
"""Share of lesions that are dark in one source and bright in the other, unless a training asks for more."""

# Which sources show a lesion, and with what sign relative to each other.
_KINDS = ((1, 0), (0, 1), (1, 1))
_OPPOSITE = (1, -1)


def add_lesions(patch: np.ndarray, random: np.random.Generator, opposite: float = OPPOSITE) -> np.ndarray:
    """Return a copy of a patch with lesions of four kinds: in A, in B, in both alike, in both with opposite signs.

    They are ellipses of any direction, so that the network does not learn the discs that evaluation puts in.

    Args:
        patch: (2, H, W) in [0, 1].
        random: decides the kinds, the places, the shapes and the contrasts.
        opposite: share of those with opposite signs; the other kinds are equally frequent.
    """
    marked = patch.astype(np.float32)
    tissue = ndimage.binary_fill_holes(marked.max(axis=0) > _BACKGROUND)
    rows, columns = np.nonzero(tissue)
    taken = np.zeros(tissue.shape, bool)
    for _ in range(_TRIES if len(rows) else 0):
        centre = random.integers(len(rows))
        lesion = _ellipse(tissue.shape, (rows[centre], columns[centre]), random)
        touched = lesion > 0
        kind = _OPPOSITE if random.random() < opposite else _KINDS[random.integers(len(_KINDS))]
        if not touched.any() or taken[touched].any() or tissue[touched].mean() < _LEAST_TISSUE:
            continue
        signs, room = _room(marked[:, touched], kind, random)
        if room >= _LEAST_ROOM:
            marked += signs[:, None, None] * min(room, random.uniform(*_CONTRASTS)) * lesion
            taken |= touched
    return np.clip(marked, 0, 1)


def _ellipse(shape: tuple[int, ...], centre: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """Return a lesion's share of its contrast at each pixel: 1 inside, 0 outside, one half at the ellipse itself."""
    row, column = (np.indices(shape) - np.array(centre)[:, None, None]).astype(np.float32)
    angle, axes = random.uniform(0, np.pi), random.uniform(*_SEMI_AXES, size=2)
    along, across = np.cos(angle) * row + np.sin(angle) * column, np.cos(angle) * column - np.sin(angle) * row
    outside = (np.hypot(along / axes[0], across / axes[1]) - 1) * axes.min()
    return np.clip(0.5 - outside / random.uniform(*_SOFT_EDGES), 0, 1).astype(np.float32)


def _room(tissue: np.ndarray, kind: tuple[int, int], random: np.random.Generator) -> tuple[np.ndarray, float]:
    """Return the sign in each source, and by how much tissue (2, N) can change that way without being clipped.

    A sign drawn at random, or the other where that one has no room.
    """
    first = np.array(kind if random.random() < 0.5 else (-kind[0], -kind[1]), np.float32)
    rooms = []
    for signs in (first, -first):
        limits = [
            1 - values.max() if sign > 0 else values.min() for sign, values in zip(signs, tissue, strict=True) if sign
        ]
        rooms.append(float(min(limits)))
    return (first, rooms[0]) if rooms[0] >= _LEAST_ROOM else (-first, rooms[1])
