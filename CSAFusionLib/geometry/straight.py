"""Grids whose axes are at right angles, which files, engines and slices take for granted, and how far one is off."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import corner_indices

TOLERATED_MM = 0.1
"""A grid whose corners move by no more than this when its axes are put at right angles is taken for a straight one."""


def nearest_straight(image: sitk.Image) -> tuple[sitk.Image, float]:
    """Return an image with its axes at right angles, and by how many mm that moves its farthest corner.

    The directions are the nearest ones (polar decomposition), and the centre and the spacing stay. No voxel is
    interpolated.
    """
    directions = np.reshape(image.GetDirection(), (3, 3))
    left, _, right = np.linalg.svd(directions)
    straight = left @ right
    centre = (np.array(image.GetSize()) - 1) / 2
    spacing = np.array(image.GetSpacing())
    change = (straight - directions) * spacing
    ways = (corner_indices(image.GetSize())[:, :3] - centre) @ change.T
    moved = sitk.Image(image)
    moved.SetDirection(straight.ravel().tolist())
    moved.SetOrigin((np.array(image.GetOrigin()) - change @ centre).tolist())
    return moved, float(np.linalg.norm(ways, axis=1).max())


def is_sheared(image: sitk.Image) -> bool:
    """Tell whether an image has axes so far from right angles that no straight grid stands for it."""
    return nearest_straight(image)[1] > TOLERATED_MM


def resampled_straight(image: sitk.Image, default: float) -> sitk.Image:
    """Resample a sheared image linearly on the smallest straight grid that holds it; return a straight one as it is.

    The grid keeps the direction of i and the plane of i and j, so a volume of a tilted gantry is interpolated within
    its slices alone.

    default: value where the image does not reach.
    """
    if not is_sheared(image):
        return image
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    directions, along = np.linalg.qr(axes)
    signs = np.sign(np.diag(along))
    directions, along = directions * signs, along * signs[:, None]
    spacing = np.diag(along)
    corners = corner_indices(image.GetSize())[:, :3] @ along.T / spacing
    first, last = np.floor(corners.min(axis=0) + 1e-6), np.ceil(corners.max(axis=0) - 1e-6)
    origin = np.array(image.GetOrigin()) + directions @ (first * spacing)
    return sitk.Resample(
        image,
        (last - first + 1).astype(int).tolist(),
        sitk.Transform(3, sitk.sitkIdentity),
        sitk.sitkLinear,
        origin.tolist(),
        spacing.tolist(),
        directions.ravel().tolist(),
        default,
    )
