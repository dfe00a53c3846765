"""The data set as a training sees it: all pairs of the wanted kinds, apart by patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair, PairKind, Split, read_slice_pairs


def read_pairs(
    data: Path, kinds: Sequence[PairKind], split: Split, *, registered: Path, progress: Progress = silent
) -> list[ImagePair]:
    """Read every pair of ``kinds`` in ``split``.

    Args:
        data: the folder that holds ``slices`` and ``volumes``.
        kinds: CT-MRI, SPECT-MRI and PET-MRI come from the slices, T1-T2 from the volumes.
        split: ``train`` or ``val``; no patient is in both.
        registered: a folder that keeps registered volumes, so that they are registered once.
        progress: told of each volume that is registered.

    Raises:
        InputError: something of the data set is missing.
    """
    pairs: list[ImagePair] = []
    for kind in kinds:
        if kind is PairKind.T1_T2:
            from CSAFusionLib.training.volume_pairs import read_volume_pairs

            pairs += read_volume_pairs(data / "volumes", split, registered=registered, progress=progress)
        else:
            pairs += read_slice_pairs(data / "slices", kind, split)
    return pairs
