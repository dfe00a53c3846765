"""Grids whose axes are at right angles, which files, engines and slices take for granted, and how far one is off."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import corner_indices, voxel_axes

TOLERATED_MM = 0.1
"""A grid whose corners move by no more than this when its axes are put at right angles is taken for a straight one."""


def off_straight(image: sitk.Image) -> float:
    """Return by how many mm the farthest corner moves when the axes of an image are put at right angles."""
    change = _change(image)
    ways = (corner_indices(image.GetSize())[:, :3] - _centre(image)) @ change.T
    return float(np.linalg.norm(ways, axis=1).max())


def nearest_straight(image: sitk.Image) -> sitk.Image:
    """Return a copy of an image with its axes at right angles; no voxel is interpolated.

    The directions are the nearest ones (polar decomposition), and the centre and the spacing stay.
    """
    change = _change(image)
    moved = sitk.Image(image)
    moved.SetDirection((np.reshape(image.GetDirection(), (3, 3)) + change / image.GetSpacing()).ravel().tolist())
    moved.SetOrigin((np.array(image.GetOrigin()) - change @ _centre(image)).tolist())
    return moved


def is_sheared(image: sitk.Image) -> bool:
    """Tell whether an image has axes so far from right angles that no straight grid stands for it."""
    return off_straight(image) > TOLERATED_MM


def _change(image: sitk.Image) -> np.ndarray:
    """How much the axes, a column each in mm per voxel, change when they are put at right angles."""
    directions = np.reshape(image.GetDirection(), (3, 3))
    left, _, right = np.linalg.svd(directions)
    change: np.ndarray = (left @ right - directions) * image.GetSpacing()
    return change


def _centre(image: sitk.Image) -> np.ndarray:
    return (np.array(image.GetSize()) - 1) / 2


def resampled_straight(image: sitk.Image, default: float) -> sitk.Image:
    """Resample a sheared image linearly on the smallest straight grid that holds it; return a straight one as it is.

    The grid keeps the direction of i and the plane of i and j, so a volume of a tilted gantry is interpolated within
    its slices alone.

    default: value where the image does not reach.
    """
    if not is_sheared(image):
        return image
    directions, along = np.linalg.qr(voxel_axes(image))
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
