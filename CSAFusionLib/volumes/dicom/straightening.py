"""Shift the slices of a stack that drifts sideways to where a straight grid has them."""

from __future__ import annotations

import numpy as np


def shifted(plane: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """Return a slice as a straight grid sees it, linearly interpolated; what lay outside repeats the border.

    Args:
        plane: (H, W) or (H, W, C), of any number type; the result is float64 where it is shifted.
        aside: how far its first voxel lies from the grid's place, along a row and along a column, (2,) voxels.
    """
    along_row, along_column = aside
    return _moved(_moved(plane, along_column, 0), along_row, 1)


def _moved(plane: np.ndarray, distance: float, axis: int) -> np.ndarray:
    if distance == 0:
        return plane
    last = plane.shape[axis] - 1
    wanted = np.clip(np.arange(last + 1) - distance, 0, last)
    before = np.floor(wanted).astype(int)
    share = (wanted - before).reshape((-1,) + (1,) * (plane.ndim - 1 - axis))
    return np.take(plane, before, axis) * (1 - share) + np.take(plane, np.minimum(before + 1, last), axis) * share
