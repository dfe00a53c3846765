"""Tissue consistency: does the same tissue look the same everywhere in the fused volume?

Arrays are axial slices from bottom to top, (S, H, W) in [0, 1]; rows run from front to back.
"""

from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.clinical.head import find_head

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
    head = head_of(a, b)
    values, bins = fused[head].astype(np.float64) * _GREY_VALUES, _joint_bins(a[head], b[head])
    quarter = _quarters(head)
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

    from CSAFusionLib.metrics.structural_similarity import ssim_map

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


def _quarters(region: np.ndarray) -> np.ndarray:
    """Return which quarter of a region each of its voxels lies in, 0 to 3 along the rows, as many in each."""
    rows = np.nonzero(region)[1]
    return np.searchsorted(np.quantile(rows, [0.25, 0.5, 0.75]), rows, side="left")
