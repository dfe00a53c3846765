"""Places of the fixed volume and their counterparts in the moving one, at one resolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import points_of
from CSAFusionLib.geometry.resampling import field_of_view
from CSAFusionLib.registration.landmarks.descriptors import self_similarity
from CSAFusionLib.registration.landmarks.grids import common_grid
from CSAFusionLib.registration.landmarks.keypoints import find_keypoints
from CSAFusionLib.registration.landmarks.matching import Described, match_both_ways
from CSAFusionLib.registration.preparation import coarsen, foreground, volume_of

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
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, level: Level, on_step: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Find points of the fixed volume and their counterparts near where a rough alignment takes them.

    fixed, moving: scalar float32.
    transform: linear, from fixed to moving points, LPS mm.
    on_step: called between the steps; what it raises stops the search.

    Returns the fixed points and the moving points, (N, 3) each in LPS mm.
    """
    level = replace(level, spacing_mm=max(level.spacing_mm, (volume_of(fixed) / _MOST_VOXELS) ** (1 / 3)))
    grid, head = _around_the_head(fixed, common_grid(fixed, moving, transform, level.spacing_mm, level.radius), level)
    image, covered = _on_grid(fixed, grid, _IDENTITY, level)
    other, other_covered = _on_grid(moving, grid, transform, level)
    on_step()
    keypoints = find_keypoints(image, covered & other_covered & head)
    on_step()
    described = Described(self_similarity(image), covered), Described(self_similarity(other), other_covered)
    on_step()
    places, counterparts = match_both_ways(*described, keypoints, level.radius)
    back_in_moving = [transform.TransformPoint(point) for point in points_of(grid, counterparts).tolist()]
    return points_of(grid, places), np.reshape(back_in_moving, (-1, 3))


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
