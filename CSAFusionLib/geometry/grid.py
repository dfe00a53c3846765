"""The grid of an image: where each voxel is in the patient, whether the axes are at right angles, and coarser grids."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.volume import Volume

# Same grid: corners differ by less than this share of a voxel, far above header rounding and far below visibility.
_TOLERANCE_VOXELS = 1e-2

# Direction components below the first count as 0; below the second, three unit directions span no volume.
_NOTHING = 1e-100
_FLAT = 1e-3

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def voxel_axes(image: sitk.Image) -> np.ndarray:
    """Return the steps from a voxel to the next along i, j and k, the columns of a (3, 3) matrix in LPS mm."""
    axes: np.ndarray = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    return axes


def ijk_to_lps(image: sitk.Image) -> np.ndarray:
    """Return the (4, 4) float64 matrix that takes voxel indices (i, j, k, 1) to LPS mm, ITK's frame."""
    matrix = np.eye(4)
    matrix[:3, :3] = voxel_axes(image)
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def ijk_to_ras(image: sitk.Image) -> np.ndarray:
    """Return the (4, 4) float64 matrix that takes voxel indices (i, j, k, 1) to RAS mm, Slicer's IJKToRAS."""
    return LPS_TO_RAS @ ijk_to_lps(image)


def points_of(image: sitk.Image, indices: np.ndarray) -> np.ndarray:
    """Return where voxels of an image are, (N, 3) in LPS mm, from their indices (k, j, i), whole or not, (N, 3)."""
    return indices[:, ::-1] @ voxel_axes(image).T + np.array(image.GetOrigin())


def set_ijk_to_lps(image: sitk.Image, matrix: np.ndarray) -> None:
    """Set the geometry of a 3-D image from a (4, 4) matrix of voxel indices (i, j, k, 1) to LPS mm, sheared or not.

    The matrix must be finite, and none of its axes may have length 0.
    """
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    directions = matrix[:3, :3] / spacing
    # ITK prints warnings about numbers so small that their squares are zero.
    directions[np.abs(directions) < _NOTHING] = 0.0
    image.SetDirection(directions.ravel().tolist())


def is_geometry(matrix: np.ndarray) -> bool:
    """Tell whether a (4, 4) matrix from voxel indices to mm is finite and maps no two voxels to the same place."""
    axes = matrix[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    return bool(np.isfinite(matrix).all() and spacing.min() > 0 and abs(np.linalg.det(axes / spacing)) >= _FLAT)


def same_grid(a: sitk.Image, b: sitk.Image) -> bool:
    """Tell whether two 3-D images have their voxels in the same places, except for header rounding."""
    return corners_apart(a, b) <= _TOLERANCE_VOXELS * min(a.GetSpacing())


def corners_apart(a: sitk.Image, b: sitk.Image) -> float:
    """Return how far apart the headers of two 3-D images put a voxel, at most, in mm; infinity for unequal sizes.

    The largest distance is always that of a corner.
    """
    if a.GetSize() != b.GetSize():
        return math.inf
    corners = corner_indices(a.GetSize()) @ (ijk_to_ras(a) - ijk_to_ras(b)).T
    return float(np.linalg.norm(corners[:, :3], axis=1).max())


def corner_indices(size: Sequence[int]) -> np.ndarray:
    """Return the indices (i, j, k, 1) of the eight corner voxels of a grid, (8, 4) float64."""
    return np.array([(*corner, 1.0) for corner in itertools.product(*[(0.0, length - 1.0) for length in size])])


TOLERATED_MM = 0.1
"""A grid counts as straight if making its axes perpendicular moves its corners by no more than this."""


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
    """Tell whether an image has axes so far from right angles that no straight grid can stand in for its own."""
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
    """Resample a sheared image linearly on the smallest straight grid that holds it; return a straight one unchanged.

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


def volume_of(image: sitk.Image) -> float:
    """Return the volume of the field of view, mm^3."""
    return float(np.prod(np.multiply(image.GetSize(), image.GetSpacing())))


def centre(image: sitk.Image) -> np.ndarray:
    """Return the centre of the field of view, (3,) in LPS mm."""
    middle = [(length - 1) / 2 for length in image.GetSize()]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(middle))


# Coarsening leaves an axis at least this many voxels, so that a thin slab keeps its slices.
_MINIMUM_LENGTH = 8


def lowest_value(image: sitk.Image) -> float:
    """Return the value outside an image: its lowest, which is air in every modality; 0 for colour."""
    if image.GetNumberOfComponentsPerPixel() > 1:
        return 0.0
    return float(sitk.GetArrayViewFromImage(image).min())


def in_one_order(image: sitk.Image) -> sitk.Image:
    """Return the image with its axes permuted and flipped to lie nearest to LPS: no voxel changes its place or value.

    Results then do not depend on the order in which a file stores the voxels.
    """
    axes = np.reshape(image.GetDirection(), (3, 3))
    stored_so = np.array_equal(np.abs(axes).argmax(axis=0), range(3)) and (np.diag(axes) > 0).all()
    return image if stored_so else sitk.DICOMOrient(image, "LPS")


def coarsen(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Average blocks of voxels until they are about ``spacing_mm`` wide on each axis, or leave coarser axes be."""
    factors = [
        max(1, min(round(spacing_mm / spacing), length // _MINIMUM_LENGTH))
        for spacing, length in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    return sitk.BinShrink(image, factors) if max(factors) > 1 else image


def region_of(mask: Volume, fixed: Volume) -> sitk.Image:
    """Return where a mask is not 0, as uint8 1, on the fixed volume's grid.

    Raises InputError for a mask in colour or on another grid, and for one that is 0 everywhere.
    """
    image = mask.image
    if image.GetNumberOfComponentsPerPixel() != 1 or not same_grid(image, fixed.image):
        raise InputError("The region does not lie on the fixed volume's grid; give one number for each of its voxels.")
    region = image != 0
    if not sitk.GetArrayViewFromImage(region).any():
        raise InputError("The region is 0 everywhere, so nothing would be fused; mark where to fuse.")
    return region
