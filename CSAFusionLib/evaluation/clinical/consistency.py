"""Consistency of a fused volume: of a tissue over the whole volume, and from slice to slice.

- The volumes that volume tests are made on: runs of consecutive slices that no network is trained on.
- Tissue consistency: does the same tissue look the same everywhere in the fused volume?
- Flicker: does the fused volume run through its slices as steadily as its sources do?

Arrays are axial slices from bottom to top, (S, H, W) in [0, 1]; rows run from front to back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from CSAFusionLib.evaluation.clinical.fidelity import find_head
from CSAFusionLib.evaluation.fusion_methods import VolumeMethod
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.pairs import PairKind, Slab, read_slab

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


_BINS = 64
_LEAST_VOXELS = 20
"""Bins with fewer voxels have no spread worth counting."""
_GREY_VALUES = 255


def tissue_inconsistency(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    """Return how far fused values of voxels with the same two source values lie apart, in grey values of 255.

    Root mean square distance from the mean of their bin in the joint histogram of the sources (64 x 64 bins, those
    with 20 voxels and more), inside the head of either source. 0 for a fused value that is one function of the two,
    but for the width of a bin: the average of both sources has 1 to 2. A method that decides place by place which
    source to show has more, and one tissue then looks different from place to place.

    Args:
        a: (S, H, W), 0 to 1.
        b: (S, H, W), 0 to 1.
        fused: (S, H, W), 0 to 1.

    Returns:
        nan where no bin has enough voxels.
    """
    head = head_of(a, b)
    values = fused[head].astype(np.float64) * _GREY_VALUES
    bins = _joint_bins(a[head], b[head])
    count, total, squares = (np.bincount(bins, weights, _BINS**2) for weights in (None, values, values**2))
    counted = count >= _LEAST_VOXELS
    if not counted.any():
        return float("nan")
    spread = squares[counted] - total[counted] ** 2 / count[counted]
    return float(np.sqrt(max(spread.sum(), 0) / count[counted].sum()))


def front_to_back_drift(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    """Return how far the fused value of the same two source values drifts from the front of the head to its back.

    The head is cut into quarters along its rows; of the voxels of each bin (as in :func:`tissue_inconsistency`) with
    20 voxels and more in every quarter, the largest of the four means minus the smallest; the mean over all those
    voxels, in grey values of 255. 0 for a fused value that is one function of the two source values.

    Args:
        a: (S, H, W), 0 to 1.
        b: (S, H, W), 0 to 1.
        fused: (S, H, W), 0 to 1.

    Returns:
        nan where no bin has enough voxels.
    """
    return _drift(a, b, fused, axis=1)


def bottom_to_top_drift(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    """Return how far the fused value of the same two source values drifts over the stack of slices.

    As :func:`front_to_back_drift`, with quarters of as many voxels of the head from the first slice to the last. A
    volume that turns from one source into the other drifts; one whose slices are less alike to a source only because
    they hold more of what that source shows otherwise does not.
    """
    return _drift(a, b, fused, axis=0)


def _drift(a: np.ndarray, b: np.ndarray, fused: np.ndarray, *, axis: int) -> float:
    head = head_of(a, b)
    values, bins = fused[head].astype(np.float64) * _GREY_VALUES, _joint_bins(a[head], b[head])
    quarter = _quarters(head, axis)
    of_quarter = 4 * bins + quarter
    count, total = (np.bincount(of_quarter, weights, 4 * _BINS**2).reshape(-1, 4) for weights in (None, values))
    counted = (count >= _LEAST_VOXELS).all(axis=1)
    if not counted.any():
        return float("nan")
    means = total[counted] / count[counted]
    return float(np.average(np.ptp(means, axis=1), weights=count[counted].sum(axis=1)))


def consistency(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    """Return ``inconsistency`` and ``drift``, as the functions above measure them, and ``turn to A`` and ``turn to B``.

    The last two are the range of :func:`similarity_by_slice` with each source.
    """
    head = head_of(a, b)
    return {
        "inconsistency": tissue_inconsistency(a, b, fused),
        "drift": front_to_back_drift(a, b, fused),
        "turn to A": float(np.ptp(similarity_by_slice(fused, a, head))),
        "turn to B": float(np.ptp(similarity_by_slice(fused, b, head))),
    }


def quarter_means(fused: np.ndarray, region: np.ndarray) -> list[float]:
    """Return the mean fused value of a region (S, H, W) in each of its quarters, from front to back."""
    quarter = _quarters(region)
    return [float(fused[region][quarter == index].mean()) for index in range(4)]


def similarity_by_slice(fused: np.ndarray, source: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Return the SSIM of each slice that is more than half head, inside the head, from bottom to top.

    More than half head: its head is more than half as large as that of the slice where it is the largest. A volume
    that turns from one source into the other has a similarity that runs through a wide range.

    Args:
        fused: (S, H, W), 0 to 1, H and W at least 11.
        source: (S, H, W), 0 to 1.
        head: (S, H, W), the mask of the head.
    """
    import torch

    from CSAFusionLib.metrics.information_metrics import ssim_map

    size = head.sum(axis=(1, 2))
    similarities = []
    for index in np.flatnonzero(size > size.max() / 2):
        images = (torch.from_numpy(volume[index].astype(np.float64))[None, None] for volume in (fused, source))
        similarity = ssim_map(*images)[0, 0].numpy()
        margin = (head.shape[1] - similarity.shape[0]) // 2
        similarities.append(similarity[head[index, margin:-margin, margin:-margin]].mean())
    return np.array(similarities)


def head_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the mask of the head that either source shows, (S, H, W), found slice by slice."""
    return np.stack([find_head(slice_) for slice_ in np.maximum(a, b)])


def _joint_bins(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    column, row = (np.minimum((source * _BINS).astype(np.intp), _BINS - 1) for source in (a, b))
    return column * _BINS + row


def _quarters(region: np.ndarray, axis: int = 1) -> np.ndarray:
    """Return which quarter of a region each of its voxels lies in, 0 to 3 along an axis, as many in each."""
    places = np.nonzero(region)[axis]
    return np.searchsorted(np.quantile(places, [0.25, 0.5, 0.75]), places, side="left")


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
