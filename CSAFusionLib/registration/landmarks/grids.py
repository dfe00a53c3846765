"""The coarse grid on which two volumes are compared, a voxel as wide as it is high as it is thick."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

_MOST_VOXELS = 1e8


def common_grid(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, spacing_mm: float, margin: int
) -> sitk.Image:
    """Return an empty image along the fixed axes over what both volumes show, and ``margin`` voxels around it.

    transform: linear, from fixed to moving points, LPS mm.
    """
    low, high = _shared_box(fixed, moving, transform.GetInverse())
    sides = (high - low) * fixed.GetSpacing()
    # What is larger than a body is looked at more coarsely.
    spacing_mm = max(spacing_mm, float(np.cbrt(sides.clip(min=spacing_mm).prod() / _MOST_VOXELS)))
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
