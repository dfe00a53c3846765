"""Random patches: what one training sample is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from CSAFusionLib.training.pairs import ImagePair, PairKind

_LEAST_CONTENT = 0.25
"""A patch is drawn again while less of it than this is above the background: empty air teaches nothing."""
_DRAWS = 8
_BACKGROUND = 0.04


class PatchDataset(Dataset[Tensor]):
    """Patches (2, size, size) in [0, 1] cut from pairs, turned, mirrored and changed in gamma at random.

    Sample ``i`` of epoch ``e`` depends only on the seed, ``e`` and ``i``, so a resumed training sees what an
    uninterrupted one would have seen, on any number of processes.
    """

    def __init__(self, pairs: Sequence[ImagePair], *, size: int, seed: int, samples: int) -> None:
        self.kinds = [
            [pair for pair in pairs if pair.kind is kind] for kind in PairKind if any(p.kind is kind for p in pairs)
        ]
        self.size = size
        self.seed = seed
        self.samples = samples
        self.epoch = 0

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> Tensor:
        random = np.random.default_rng((self.seed, self.epoch, index))
        # Kinds take turns, so that the kind with the most slices does not outweigh the others.
        pairs = self.kinds[index % len(self.kinds)]
        pair = pairs[random.integers(len(pairs))]
        patch = _with_content(pair, self.size, random)
        return torch.from_numpy(np.ascontiguousarray(augment(patch, pair.kind, random)))


def augment(patch: np.ndarray, kind: PairKind, random: np.random.Generator) -> np.ndarray:
    """Turn, mirror and change the gamma of ``patch`` (2, size, size); T1 and T2 also change places."""
    patch = np.rot90(patch, int(random.integers(4)), axes=(1, 2))
    if random.random() < 0.5:
        patch = patch[:, :, ::-1]
    if kind is PairKind.T1_T2 and random.random() < 0.5:
        patch = patch[::-1]
    gamma = np.exp(random.uniform(-0.35, 0.35, size=(2, 1, 1)))
    return (patch**gamma).astype(np.float32)


def _with_content(pair: ImagePair, size: int, random: np.random.Generator) -> np.ndarray:
    for _ in range(_DRAWS):
        patch = random_patch(pair, size, random)
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
