"""Places of one volume found again in the other: which places, how they are matched, and at what resolution.

Key points can be told from their surroundings in all three directions. A match counts when it is found from both sides.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.field_of_view import field_of_view
from CSAFusionLib.geometry.grid import coarsen, points_of, volume_of
from CSAFusionLib.intensity.voxel_values import foreground
from CSAFusionLib.registration.registration import NO_MASKS, RegistrationMasks, in_mask

# The discrete Gaussian of variance 1 (Lindeberg, Scale-space for discrete signals, 1990), from its middle outwards.
_WINDOW = np.array([0.46681, 0.20838, 0.05005, 0.00817], np.float32)
_REACH = len(_WINDOW) - 1

# Enough for least squares; more cost time.
_MOST = 2000


def find_keypoints(image: sitk.Image, mask: np.ndarray) -> np.ndarray:
    """Find the most distinct voxels, none beside a more distinct one, (N, 3) as (z, y, x) indices, N at most 2000.

    image: scalar float32, on a grid of equal spacings.
    mask: (Z, Y, X) bool, where keypoints may lie.
    """
    strength = distinctiveness(image) * mask
    peaks = np.argwhere((strength > 0) & (strength == _highest_around(strength)))
    strongest_first = np.argsort(-strength[tuple(peaks.T)], kind="stable")
    return peaks[strongest_first[:_MOST]]


def distinctiveness(image: sitk.Image) -> np.ndarray:
    """Return 1 / trace(inverse of the structure tensor) for each voxel, (Z, Y, X) float32, 0 where it is singular.

    High only where the image changes in every direction, so that a place is known along all of them (Foerstner and
    Guelch, A fast operator for detection and precise location of distinct points, corners and centres of circular
    features, 1987; in 3-D Rohr, On 3D differential operators for detecting point landmarks, 1997).
    """
    gradients = np.gradient(sitk.GetArrayFromImage(image))
    zz, zy, zx, yy, yx, xx = (_window_mean(gradients[a] * gradients[b]) for a in range(3) for b in range(a, 3))
    minors = yy * xx - yx**2, zz * xx - zx**2, zz * yy - zy**2
    determinant = zz * minors[0] - zy * (zy * xx - yx * zx) + zx * (zy * yx - yy * zx)
    total = sum(minors)
    return np.divide(determinant, total, out=np.zeros_like(determinant), where=total > 0).clip(min=0)


def _window_mean(voxels: np.ndarray) -> np.ndarray:
    """A Gaussian window around each voxel; beyond the border the nearest voxel counts."""
    for axis in range(3):
        far = np.swapaxes(
            np.pad(voxels, [(_REACH, _REACH) if other == axis else (0, 0) for other in range(3)], "edge"), 0, axis
        )
        length = voxels.shape[axis]
        total = far[_REACH : _REACH + length] * _WINDOW[0]
        for step in range(1, _REACH + 1):
            total += (far[_REACH - step :][:length] + far[_REACH + step :][:length]) * _WINDOW[step]
        voxels = np.swapaxes(total, 0, axis)
    return voxels


def _highest_around(voxels: np.ndarray) -> np.ndarray:
    """The highest of the 3x3x3 voxels around each."""
    highest = np.pad(voxels, 1, "edge")
    for axis in range(3):
        rows = np.swapaxes(highest, 0, axis)
        highest = np.swapaxes(np.maximum(np.maximum(rows[:-2], rows[1:-1]), rows[2:]), 0, axis)
    return highest


# The six face neighbours of a voxel, as (z, y, x) steps, and the twelve pairs of them that share an edge.
_NEIGHBOURS = (
    [(step, 0, 0) for step in (-1, 1)] + [(0, step, 0) for step in (-1, 1)] + [(0, 0, step) for step in (-1, 1)]
)
_PAIRS = [pair for pair in itertools.combinations(_NEIGHBOURS, 2) if np.any(np.add(*pair))]

# A place's own variance counts between these multiples of the image's mean, so that flat noise has no structure.
_VARIANCE_RANGE = (1e-3, 1e3)


def self_similarity(image: sitk.Image) -> np.ndarray:
    """Describe each voxel by how alike the patches around it are, (Z, Y, X, 12) float32 in [0, 1].

    image: scalar float32, on a grid of equal spacings.

    MIND-SSC (Heinrich et al., Towards realtime multimodal fusion for image-guided interventions using
    self-similarities, MICCAI 2013): exp(-D / V) for the twelve pairs of neighbours, D the mean squared difference of
    the 3x3x3 patches around the two, less the least of the twelve, V the mean of the twelve.
    """
    padded = np.pad(sitk.GetArrayFromImage(image), 2, mode="edge")
    distances = np.stack([_patch_mean((_shifted(padded, a) - _shifted(padded, b)) ** 2) for a, b in _PAIRS])
    distances -= distances.min(axis=0)
    variance = distances.mean(axis=0)
    typical = float(variance.mean()) or 1.0
    low, high = np.multiply(_VARIANCE_RANGE, typical).astype(np.float32)
    distances /= -variance.clip(low, high)
    return np.ascontiguousarray(np.moveaxis(np.exp(distances, out=distances), 0, -1))


def _shifted(padded: np.ndarray, step: tuple[int, int, int]) -> np.ndarray:
    """All but the outermost voxels, each replaced by its neighbour a step away."""
    return padded[tuple(slice(1 + s, length - 1 + s) for s, length in zip(step, padded.shape, strict=True))]


def _patch_mean(voxels: np.ndarray) -> np.ndarray:
    """The mean of the 3x3x3 voxels around each but the outermost."""
    for axis in range(3):
        rows = np.swapaxes(voxels, 0, axis)
        voxels = np.swapaxes(rows[:-2] + rows[1:-1] + rows[2:], 0, axis)
    return voxels / np.float32(27)


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


# A body is searched more coarsely than a head: more voxels would take minutes and gigabytes.
_MOST_VOXELS = 4_000_000

# How far beyond the range that is searched a voxel's descriptor still looks.
_REACH_VOXELS = 5

_IDENTITY = sitk.Transform(3, sitk.sitkIdentity)


@dataclass(frozen=True)
class Level:
    """How finely and how far to look for counterparts: the width of a voxel, and how many voxels along each axis."""

    spacing_mm: float
    radius: int


def find_pairs(
    fixed: sitk.Image,
    moving: sitk.Image,
    transform: sitk.Transform,
    level: Level,
    on_step: Callable[[], None],
    masks: RegistrationMasks = NO_MASKS,
) -> tuple[np.ndarray, np.ndarray]:
    """Find points of the fixed volume and their counterparts near where a rough alignment takes them.

    fixed, moving: scalar float32.
    transform: linear, from fixed to moving points, LPS mm.
    on_step: called between the steps; what it raises stops the search.
    masks: where a point and its counterpart must lie.

    Returns the fixed points and the moving points, (N, 3) each in LPS mm.
    """
    points, counterparts = find_counterparts(fixed, moving, transform, level, on_step, masks)
    back_in_moving = [transform.TransformPoint(point) for point in counterparts.tolist()]
    return points, np.reshape(back_in_moving, (-1, 3))


def find_counterparts(
    fixed: sitk.Image,
    moving: sitk.Image,
    transform: sitk.Transform,
    level: Level,
    on_step: Callable[[], None],
    masks: RegistrationMasks = NO_MASKS,
) -> tuple[np.ndarray, np.ndarray]:
    """Find points of the fixed volume, and where the moving volume, brought onto it by a transform, shows the same.

    transform: from fixed to moving points, LPS mm; linear or deformable. Others as :func:`find_pairs` takes them.

    Returns both as points of the fixed volume, (N, 3) each in LPS mm: equal where the transform is right.
    """
    level = replace(level, spacing_mm=max(level.spacing_mm, (volume_of(fixed) / _MOST_VOXELS) ** (1 / 3)))
    shared = (moving, transform) if transform.IsLinear() else (fixed, _IDENTITY)
    grid, head = _around_the_head(fixed, common_grid(fixed, *shared, level.spacing_mm, level.radius), level)
    image, covered = _on_grid(fixed, grid, _IDENTITY, level)
    other, other_covered = _on_grid(moving, grid, transform, level)
    on_step()
    keypoints = find_keypoints(image, covered & other_covered & head & in_mask(masks.fixed, grid, _IDENTITY))
    on_step()
    described = Described(self_similarity(image), covered), Described(self_similarity(other), other_covered)
    on_step()
    places, counterparts = match_both_ways(*described, keypoints, level.radius)
    allowed = in_mask(masks.moving, grid, transform)
    nearest = np.rint(counterparts).astype(int).clip(0, np.array(allowed.shape) - 1)
    inside = allowed[tuple(nearest.T)]
    return points_of(grid, places[inside]), points_of(grid, counterparts[inside])


def _around_the_head(fixed: sitk.Image, grid: sitk.Image, level: Level) -> tuple[sitk.Image, np.ndarray]:
    """The part of a grid that holds the fixed head and all it is compared with, and the head on it, bool."""
    image, _ = _on_grid(fixed, grid, _IDENTITY, level)
    head = sitk.BinaryDilate(foreground(image), [1] * 3, sitk.sitkBox)
    marked = np.argwhere(sitk.GetArrayViewFromImage(head))[:, ::-1]
    if len(marked) == 0:
        return grid, sitk.GetArrayFromImage(head) > 0
    reach = level.radius + _REACH_VOXELS
    first = (marked.min(axis=0) - reach).clip(0).tolist()
    last = (marked.max(axis=0) + reach + 1).clip(max=grid.GetSize()).tolist()
    box = tuple(slice(low, high) for low, high in zip(first, last, strict=True))
    return grid[box], sitk.GetArrayFromImage(head[box]) > 0


def _on_grid(
    image: sitk.Image, grid: sitk.Image, transform: sitk.Transform, level: Level
) -> tuple[sitk.Image, np.ndarray]:
    """The image on the grid, its nearest values beyond its border, and where it really has voxels."""
    coarse = coarsen(image, level.spacing_mm)
    resampled = sitk.Resample(coarse, grid, transform, sitk.sitkLinear, 0.0, sitk.sitkFloat32, True)
    return resampled, sitk.GetArrayFromImage(field_of_view(image, grid, transform)) > 0


_MOST_GRID_VOXELS = 1e8


def common_grid(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, spacing_mm: float, margin: int
) -> sitk.Image:
    """Return an empty image along the fixed axes over what both volumes show, and ``margin`` voxels around it.

    transform: linear, from fixed to moving points, LPS mm.
    """
    low, high = _shared_box(fixed, moving, transform.GetInverse())
    sides = (high - low) * fixed.GetSpacing()
    # What is larger than a body is looked at more coarsely.
    spacing_mm = max(spacing_mm, float(np.cbrt(sides.clip(min=spacing_mm).prod() / _MOST_GRID_VOXELS)))
    size = np.ceil(sides.clip(min=spacing_mm) / spacing_mm).astype(int) + 2 * margin
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    grid.SetSpacing([spacing_mm] * 3)
    grid.SetDirection(fixed.GetDirection())
    middle = fixed.TransformContinuousIndexToPhysicalPoint(((low + high) / 2).tolist())
    axes = np.reshape(fixed.GetDirection(), (3, 3))
    grid.SetOrigin((middle - axes @ ((size - 1) / 2 * spacing_mm)).tolist())
    return grid


def _shared_box(fixed: sitk.Image, moving: sitk.Image, back: sitk.Transform) -> tuple[np.ndarray, np.ndarray]:
    """The least and greatest fixed index, with fractions, of the fixed voxels that the moving volume may cover."""
    ends = [(-0.5, length - 0.5) for length in moving.GetSize()]
    corners = np.array(
        [
            fixed.TransformPhysicalPointToContinuousIndex(
                back.TransformPoint(moving.TransformContinuousIndexToPhysicalPoint(corner))
            )
            for corner in itertools.product(*ends)
        ]
    )
    first, last = np.full(3, -0.5), np.array(fixed.GetSize()) - 0.5
    return corners.min(axis=0).clip(first, last), corners.max(axis=0).clip(first, last)
