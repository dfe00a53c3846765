"""Find places of one image in another, and keep those that find their way back."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

# Two places are compared by 27 descriptors each: at the place, and at steps this long along and between the axes.
_STEP_VOXELS = 2

# Keypoints compared at once: enough to be fast, few enough for some tens of megabytes.
_BATCH = 200


class Described(NamedTuple):
    """An image as descriptors (Z, Y, X, C), and where it has voxels at all (Z, Y, X) bool."""

    descriptors: np.ndarray
    inside: np.ndarray


def match_both_ways(
    fixed: Described, moving: Described, keypoints: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """Match keypoints of the fixed image with places of the moving one, both on one grid.

    keypoints: (N, 3) indices (z, y, x) of the fixed image.
    radius: how many voxels along each axis are searched, at least 1.

    A match is kept when it lies within the range searched, not on its border, and when the same search from there
    ends within a voxel of the keypoint.

    Returns the keypoints kept, (M, 3), and their matches, (M, 3), with fractions of voxels.
    """
    ahead, found = _best_shifts(fixed, moving, keypoints, radius)
    keypoints, ahead = keypoints[found], ahead[found]
    landed = keypoints + np.rint(ahead).astype(int)
    back, returned = _best_shifts(moving, fixed, landed, radius)
    home = returned & (np.abs(landed + back - keypoints).max(axis=1, initial=0) <= 1)
    return keypoints[home], (keypoints + ahead)[home]


def _best_shifts(
    source: Described, target: Described, places: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    """The shift (N, 3) from each place to the one most like it, and whether it is inside the range (N,) bool."""
    firsts = range(0, max(len(places), 1), _BATCH)
    costs = np.concatenate([_costs(source, target, places[first : first + _BATCH], radius) for first in firsts])
    flat = costs.reshape(len(costs), (2 * radius + 1) ** 3)
    best = np.stack(np.unravel_index(flat.argmin(axis=1), costs.shape[1:]), axis=1)
    least = flat.min(axis=1)
    found = (np.abs(best - radius) < radius).all(axis=1) & np.isfinite(least)
    return best - radius + _fractions(costs, best, least), found


def _costs(source: Described, target: Described, places: np.ndarray, radius: int) -> np.ndarray:
    """How unlike each place is to all within the radius of it in the target, (N, S, S, S); infinite outside it."""
    patches = _cubes(source.descriptors, places, _STEP_VOXELS)
    regions = _cubes(target.descriptors, places, radius + _STEP_VOXELS)
    # |r - p|^2 = |r|^2 + |p|^2 - 2 r p, which needs no array of differences.
    lengths = np.einsum("nzyxc,nzyxc->nzyx", regions, regions)
    side = 2 * radius + 1
    costs = np.zeros((len(places), side, side, side), np.float32)
    for z, y, x in itertools.product(range(0, 2 * _STEP_VOXELS + 1, _STEP_VOXELS), repeat=3):
        window = (slice(None), slice(z, z + side), slice(y, y + side), slice(x, x + side))
        patch = patches[:, z, y, x]
        costs += lengths[window] + np.einsum("nc,nc->n", patch, patch)[:, None, None, None]
        costs -= np.einsum("nzyxc,nc->nzyx", regions[window], 2 * patch)
    costs[~_cubes(target.inside, places, radius)] = np.inf
    return costs


def _cubes(volume: np.ndarray, centres: np.ndarray, half: int) -> np.ndarray:
    """The voxels around each centre, (N, S, S, S, ...) with S = 2 half + 1; beyond the border the nearest one."""
    steps = np.arange(-half, half + 1)
    z, y, x = (np.clip(centres[:, axis, None] + steps, 0, volume.shape[axis] - 1) for axis in range(3))
    return volume[z[:, :, None, None], y[:, None, :, None], x[:, None, None, :]]


def _fractions(costs: np.ndarray, best: np.ndarray, least: np.ndarray) -> np.ndarray:
    """From the least costs to the lowest points of parabolas through them and their neighbours, (N, 3) voxels."""
    rows, last = np.arange(len(costs)), costs.shape[1] - 1
    fractions = np.zeros(best.shape)
    for axis, step in enumerate(np.eye(3, dtype=int)):
        (z, y, x), (w, v, u) = ((best + sign * step).clip(0, last).T for sign in (-1, 1))
        before, after = costs[rows, z, y, x], costs[rows, w, v, u]
        curved = np.isfinite(before) & np.isfinite(after) & (before + after > 2 * least)
        fractions[curved, axis] = (before - after)[curved] / (2 * (before - 2 * least + after)[curved])
    return fractions
