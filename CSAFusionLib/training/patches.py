"""Cuts random patches, the training samples, and augments them.

Augmentation varies the display, so that the network sees more than a few heads from one atlas, and adds lesions to one
source, or to both with the same or with opposite signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from CSAFusionLib.training.pairs import ImagePair, PairKind

_DARKEST = 0.8
BRIGHTEST = 1.2
"""Default for the largest factor by which the window of a source brightens it."""


@dataclass(frozen=True)
class Display:
    """The display of a source: a factor of its window and a gamma, equal for all patches of one step.

    One volume is shown in one window, and so are the patches of a step: otherwise the same pair of values would mean
    another tissue in the next patch.
    """

    factor: float
    gamma: float

    @classmethod
    def at_random(cls, random: np.random.Generator, brightest: float = BRIGHTEST) -> Display:
        """Draw one, with a factor of 0.8 to ``brightest``."""
        return cls(random.uniform(_DARKEST, brightest), float(np.exp(random.uniform(-0.3, 0.3))))

    def __call__(self, source: np.ndarray) -> np.ndarray:
        """Apply the display to a source in [0, 1]; black stays black."""
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


_TRIES = 6
_SEMI_AXES = (2.5, 8.0)
"""Smallest and largest semi-axis of a lesion, in pixels."""
_SOFT_EDGES = (1.0, 4.0)
_CONTRASTS = (0.1, 0.4)
_LEAST_ROOM = 0.06
"""No lesion is placed where the tissue can get neither brighter nor darker by this much."""
_BACKGROUND = 0.04
_LEAST_TISSUE = 0.9


OPPOSITE = 0.25
"""Default share of lesions that are dark in one source and bright in the other."""

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


_LEAST_CONTENT = 0.25
"""A patch is drawn again while less of it than this is above the background: empty air teaches nothing."""
_DRAWS = 8


class PatchDataset(Dataset[Tensor]):
    """Patches cut from pairs at random, at random scale, and augmented: (2, 2, size, size) in [0, 1].

    First the two sources as they are, then the same with lesions. All of a group are of one patient, in one window.

    Sample ``i`` of epoch ``e`` depends only on the seed, ``e`` and ``i``, so a resumed training sees what an
    uninterrupted one would have seen, on any number of processes.
    """

    def __init__(
        self,
        pairs: Sequence[ImagePair],
        *,
        size: int,
        seed: int,
        samples: int,
        group: int = 1,
        opposite_lesions: float = OPPOSITE,
        brightest: float = BRIGHTEST,
    ) -> None:
        """Take pairs to cut from; ``group`` samples in a row, one step of all processes, are of one patient."""
        by_kind: dict[PairKind, dict[str, list[ImagePair]]] = {}
        for pair in sorted(pairs, key=lambda one: list(PairKind).index(one.kind)):
            by_kind.setdefault(pair.kind, {}).setdefault(pair.patient, []).append(pair)
        self.kinds = [list(patients.values()) for patients in by_kind.values()]
        self.group = group
        self.opposite_lesions = opposite_lesions
        self.brightest = brightest
        self.size = size
        self.seed = seed
        self.samples = samples
        self.epoch = 0

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> Tensor:
        step = index // self.group
        shared, random = (np.random.default_rng((self.seed, self.epoch, *which)) for which in ((step,), (step, index)))
        # Kinds take turns, so that the kind with the most slices does not outweigh the others.
        patients = self.kinds[step % len(self.kinds)]
        pairs = patients[shared.integers(len(patients))]
        displays = Display.at_random(shared, self.brightest), Display.at_random(shared, self.brightest)
        patch = _with_content(pairs[random.integers(len(pairs))], self.size, random)
        plain = augment(patch, displays, random)
        return torch.from_numpy(np.stack([plain, add_lesions(plain, random, self.opposite_lesions)]))


def _with_content(pair: ImagePair, size: int, random: np.random.Generator) -> np.ndarray:
    scale = float(np.exp2(random.uniform(-0.5, 0.5))) if random.random() < 0.5 else 1.0
    for _ in range(_DRAWS):
        patch = rescale(random_patch(pair, max(16, round(size * scale)), random), size)
        if (patch.max(axis=0) > _BACKGROUND).mean() >= _LEAST_CONTENT:
            break
    return patch


def random_patch(pair: ImagePair, size: int, random: np.random.Generator) -> np.ndarray:
    """Cut the same random square out of both images, (2, size, size); smaller images are padded with background."""
    both = np.stack([pair.a, pair.b])
    missing = [max(0, size - length) for length in both.shape[1:]]
    if any(missing):
        both = np.pad(both, [(0, 0), *((m // 2, m - m // 2) for m in missing)])
    row, column = (random.integers(length - size + 1) for length in both.shape[1:])
    return both[:, row : row + size, column : column + size]


def rescale(patch: np.ndarray, size: int) -> np.ndarray:
    """Return ``patch`` (2, N, N) as (2, size, size): other pixel sizes than the data set's."""
    if patch.shape[1] == size:
        return patch
    scaled = functional.interpolate(
        torch.from_numpy(patch)[None], size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return scaled[0].clamp(0, 1).numpy()
