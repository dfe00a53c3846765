"""Random patches: what one training sample is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from CSAFusionLib.training.augmentation import Display, augment
from CSAFusionLib.training.lesion_augmentation import OPPOSITE, add_lesions
from CSAFusionLib.training.pairs import ImagePair, PairKind

_LEAST_CONTENT = 0.25
"""A patch is drawn again while less of it than this is above the background: empty air teaches nothing."""
_DRAWS = 8
_BACKGROUND = 0.04


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
    ) -> None:
        """Take pairs to cut from; ``group`` samples in a row, one step of all processes, are of one patient."""
        by_kind: dict[PairKind, dict[str, list[ImagePair]]] = {}
        for pair in sorted(pairs, key=lambda one: list(PairKind).index(one.kind)):
            by_kind.setdefault(pair.kind, {}).setdefault(pair.patient, []).append(pair)
        self.kinds = [list(patients.values()) for patients in by_kind.values()]
        self.group = group
        self.opposite_lesions = opposite_lesions
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
        displays = Display.at_random(shared), Display.at_random(shared)
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
