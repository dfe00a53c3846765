"""Flicker: does the fused volume run through its slices as steadily as its sources do?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from CSAFusionLib.evaluation.clinical.consistency import consistency
from CSAFusionLib.evaluation.clinical.head import find_head
from CSAFusionLib.evaluation.clinical.slabs import read_slabs
from CSAFusionLib.evaluation.methods import VolumeMethod
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.pairs import PairKind


def flicker_index(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    """Return the fused volume's mean absolute second difference from slice to slice over the mean of its sources'.

    Inside the head of either source. Second differences do not mind anatomy that changes steadily. They grow with
    contrast, though: the average of both sources gets 0.7 to 0.9 for being dim.

    Args:
        a: (S, H, W), 0 to 1, at least three consecutive slices, of which the inner ones show a head.
        b: (S, H, W), 0 to 1.
        fused: (S, H, W), 0 to 1.
    """
    return _over_sources(partial(_unsteadiness, head=_inner_head(a, b)), a, b, fused)


def flicker_for_detail(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    """Return :func:`flicker_index` with each volume's second differences measured by those within its slices.

    So neither dimness nor contrast counts, but only whether slices follow each other less steadily than rows and
    columns do.

    Args:
        a: (S, H, W), 0 to 1, at least three consecutive slices, of which the inner ones show a head with structure.
        b: (S, H, W), 0 to 1.
        fused: (S, H, W), 0 to 1.
    """
    head = _inner_head(a, b)
    return _over_sources(lambda volume: _unsteadiness(volume, head) / _detail(volume, head), a, b, fused)


def flicker_table(
    methods: Mapping[str, Callable[[PairKind], VolumeMethod]],
    kinds: Sequence[PairKind],
    dataset: DataSet,
    *,
    registered: Path,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Return a row for each volume and method: the volume's kind and name, the method, both its indices
    of flicker, and how consistent tissue is.

    Args:
        methods: by name, what fuses volumes of a kind.
        kinds: which volumes are fused.
        registered: a folder that keeps registered volumes, so that they are registered once.
        progress: told of each volume and method.

    Raises:
        InputError: a volume is missing.
        Cancelled: from ``progress``.
    """
    rows: list[dict[str, object]] = []
    slabs = read_slabs(dataset, kinds, registered=registered, progress=progress)
    for slab in slabs:
        for name, volume_for in methods.items():
            progress("Fusing volumes", len(rows), len(slabs) * len(methods))
            fused = volume_for(slab.kind)(slab.a, slab.b, slab.spacing)
            rows.append(
                {
                    "kind": slab.kind.value,
                    "volume": slab.name,
                    "method": name,
                    "flicker": flicker_index(slab.a, slab.b, fused),
                    "flicker for detail": flicker_for_detail(slab.a, slab.b, fused),
                    **consistency(slab.a, slab.b, fused),
                }
            )
    progress("Fusing volumes", len(rows), len(rows))
    return pd.DataFrame(rows)


def _inner_head(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the mask of the head in all slices but the first and last, (S - 2, H, W)."""
    return np.stack([find_head(slice_) for slice_ in np.maximum(a, b)[1:-1]])


def _over_sources(figure: Callable[[np.ndarray], float], a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    return figure(fused) / ((figure(a) + figure(b)) / 2)


def _unsteadiness(volume: np.ndarray, head: np.ndarray) -> float:
    return float(np.abs(np.diff(volume, 2, axis=0))[head].mean())


def _detail(volume: np.ndarray, head: np.ndarray) -> float:
    """Return the mean absolute second difference along rows and columns."""
    inner = volume[1:-1]
    along_rows = np.abs(np.diff(inner, 2, axis=2))[head[:, :, 1:-1]]
    along_columns = np.abs(np.diff(inner, 2, axis=1))[head[:, 1:-1]]
    return float(along_rows.mean() + along_columns.mean()) / 2
