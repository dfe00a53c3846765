"""The volumes that volume tests are made on: runs of consecutive slices that no network is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.pairs import PairKind
from CSAFusionLib.training.volume_pairs import Slab, read_slab

_SLICES = 24
_LEAST_CONTENT = 0.1
"""Slices where either source is darker than this on more than nine tenths of the area are not counted."""


def read_slabs(
    dataset: DataSet, kinds: Sequence[PairKind], *, registered: Path, progress: Progress = silent
) -> list[Slab]:
    """Read the middle 24 slices, or as many as there are, of every volume of ``kinds`` in the splits val and test.

    Args:
        kinds: the volumes of other kinds are neither read nor registered.
        registered: a folder that keeps registered volumes, so that they are registered once.
        progress: told of each volume that is registered.

    Raises:
        InputError: a volume is missing.
    """
    pairs = dataset.volume_pairs(kinds, "val", "test")
    return [middle(read_slab(pair, registered=registered, progress=progress)) for pair in pairs]


def middle(slab: Slab) -> Slab:
    """Return the run of slices in the middle of those that both sources show the head in."""
    content = [(volume > _LEAST_CONTENT).mean(axis=(1, 2)) for volume in (slab.a, slab.b)]
    shown = np.flatnonzero(np.minimum(*content) >= _LEAST_CONTENT)
    first = max(shown[0], (shown[0] + shown[-1] + 1 - _SLICES) // 2)
    run = slice(first, min(first + _SLICES, shown[-1] + 1))
    return replace(slab, a=slab.a[run], b=slab.b[run])
