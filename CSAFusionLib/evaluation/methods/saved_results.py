"""What another program fused, from a folder of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.training.pairs import ImagePair, PairKind, read_luminance

Results = Mapping[tuple[PairKind, str], np.ndarray]
"""Fused images (H, W) float32 in [0, 1] by the kind and the name of their pair."""


def read_results(folder: Path, pairs: Sequence[ImagePair]) -> Results:
    """Read the fused picture of every pair; colour gives luminance.

    Args:
        folder: holds ``KIND/PAIR.png``; or ``PAIR.png`` when all pairs are of one kind.
        pairs: what must be there.

    Raises:
        InputError: naming the first picture that is missing, unreadable, not of 8 bits, or not of its pair's size.
    """
    single = len({pair.kind for pair in pairs}) == 1
    return {(pair.kind, pair.name): _read(_path(folder, pair, single), pair) for pair in pairs}


def _path(folder: Path, pair: ImagePair, single: bool) -> Path:
    of_kind = folder / pair.kind.value
    return (folder if single and not of_kind.is_dir() else of_kind) / f"{pair.name}.png"


def _read(path: Path, pair: ImagePair) -> np.ndarray:
    fused = read_luminance(path)
    if fused.shape != pair.a.shape:
        sizes = " and ".join("{1} x {0}".format(*shape) for shape in (fused.shape, pair.a.shape))
        raise InputError(f"'{path}' and its sources are {sizes} pixels; save it in the size of its sources.")
    if fused.max() > 1:
        raise InputError(f"'{path}' has more than 8 bits; save it with values from 0 to 255.")
    return fused
