"""Places of the fixed volume and their counterparts in the moving one, at one resolution."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import points_of, volume_of
from CSAFusionLib.geometry.resampling import coarsen, field_of_view
from CSAFusionLib.registration.landmarks.keypoints import find_keypoints, self_similarity
from CSAFusionLib.registration.landmarks.matching import Described, match_both_ways
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks, in_mask
from CSAFusionLib.registration.preparation import foreground

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
