"""Cut a volume into slices of an anatomical plane, and put slices back on the volume's own grid.

Slices are canonical: however a volume is stored, the same anatomy gives the same array. Voxels are only permuted and
flipped, never interpolated, so an oblique acquisition is sliced in its own near-axial (sagittal, coronal) plane.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk


class Plane(Enum):
    """The plane of the slices; AUTO is the acquired plane for clearly anisotropic voxels, else axial."""

    AUTO = "auto"
    AXIAL = "axial"
    SAGITTAL = "sagittal"
    CORONAL = "coronal"
    ACQUIRED = "acquired"


# A voxel side must be this much longer than the others to be the slice thickness; less is header rounding.
_THICKER = 1.01
# From this ratio on, a slice across the acquired ones is mostly interpolation: nobody reads such slices, and no network
# was trained on them.
_CLEARLY_THICKER = 2.0

# Seen from the canonical volume array [to superior, to posterior, to left]: the axes that become (slice, row, column),
# and whether rows run down from superior, as coronal and sagittal pictures are hung.
_VIEWS = {
    Plane.AXIAL: ((0, 1, 2), False),
    Plane.CORONAL: ((1, 0, 2), True),
    Plane.SAGITTAL: ((2, 0, 1), True),
}

# Rotation by about 1e-5 rad about an axis that is not a symmetry axis of anything.
_NUDGE = np.eye(3) + 1e-5 * np.array([[0.0, -0.23, 0.61], [0.23, 0.0, -1.0], [-0.61, 1.0, 0.0]])


def to_slices(image: sitk.Image, plane: Plane) -> np.ndarray:
    """Cut a 3-D image into canonical slices.

    Axial slices run from inferior to superior, rows to posterior, columns to left (radiological display); coronal
    from anterior to posterior, rows to inferior, columns to left; sagittal from right to left, rows to inferior,
    columns to posterior.

    Returns a contiguous array (S, H, W), or (S, H, W, C) for C components, of the image's number type; a copy.
    """
    return slices_view(image, plane).copy()


def slices_view(image: sitk.Image, plane: Plane) -> np.ndarray:
    """View a 3-D image as the slices that :func:`to_slices` cuts; read-only, valid as long as the image exists."""
    order, flips = _storage_to_slices(image, plane)
    voxels = sitk.GetArrayViewFromImage(image)
    order += tuple(range(3, voxels.ndim))
    return np.flip(voxels.transpose(order), flips)


def from_slices(slices: np.ndarray, reference: sitk.Image, plane: Plane) -> sitk.Image:
    """Put slices cut by :func:`to_slices` back into a volume exactly on the reference's grid.

    slices: (S, H, W) or (S, H, W, C), of the shape to_slices gives for the reference and the plane.
    Returns an image whose size, origin, spacing and direction are the reference's, bit for bit.
    """
    order, flips = _storage_to_slices(reference, plane)
    order += tuple(range(3, slices.ndim))
    voxels = np.flip(slices, flips).transpose(np.argsort(order))
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels), isVector=slices.ndim == 4)
    image.CopyInformation(reference)
    return image


def acquired_plane(image: sitk.Image) -> Plane:
    """Return the plane the image was acquired in: across its thickest side, axial when no side is thicker."""
    return _plane_of_thick_slices(image, _THICKER)


def settled_plane(image: sitk.Image, plane: Plane) -> Plane:
    """Return the anatomical plane that AUTO or ACQUIRED stands for in an image; any other plane unchanged."""
    if plane is Plane.AUTO:
        return _plane_of_thick_slices(image, _CLEARLY_THICKER)
    return acquired_plane(image) if plane is Plane.ACQUIRED else plane


def slice_spacing(image: sitk.Image, plane: Plane) -> tuple[float, float, float]:
    """Return the voxel sides in mm along (slice, row, column) of the slices of a plane."""
    order, _ = _storage_to_slices(image, plane)
    sides = image.GetSpacing()[::-1]
    return sides[order[0]], sides[order[1]], sides[order[2]]


def slice_shape(image: sitk.Image, plane: Plane) -> tuple[int, int, int]:
    """Return how many slices a plane has, and their rows and columns."""
    order, _ = _storage_to_slices(image, plane)
    lengths = image.GetSize()[::-1]
    return lengths[order[0]], lengths[order[1]], lengths[order[2]]


def slice_centres(image: sitk.Image, plane: Plane) -> np.ndarray:
    """Return the middle of each slice that :func:`to_slices` gives, (S, 3) in LPS mm."""
    order, flips = _storage_to_slices(image, plane)
    axis, size = 2 - order[0], np.array(image.GetSize())
    middles = np.repeat([(size - 1) / 2], size[axis], axis=0)
    middles[:, axis] = np.arange(size[axis])[:: -1 if 0 in flips else 1]
    return np.array([image.TransformContinuousIndexToPhysicalPoint(middle.tolist()) for middle in middles])


def _storage_to_slices(image: sitk.Image, plane: Plane) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Order and flips that take the stored array [k, j, i] to [slice, row, column]."""
    axes, flipped = _canonical_axes(image)
    view, hang = _VIEWS[settled_plane(image, plane)]
    order = tuple(2 - axes[2 - axis] for axis in view)
    down = [flipped[2 - axis] ^ (hang and axis == 0) for axis in view]
    return order, tuple(int(axis) for axis in np.flatnonzero(down))


def column_axis(image: sitk.Image, plane: Plane) -> tuple[int, bool]:
    """Return the image axis (0, 1, 2) that the columns of its slices run along, and whether they run against it."""
    order, flips = _storage_to_slices(image, plane)
    return 2 - order[2], 2 in flips


def _plane_of_thick_slices(image: sitk.Image, thicker: float) -> Plane:
    """The plane across the longest voxel side; axial if that is not ``thicker`` times as long as the next one."""
    planes = (Plane.SAGITTAL, Plane.CORONAL, Plane.AXIAL)
    spacing = np.array(image.GetSpacing())[_canonical_axes(image)[0]]
    thickest = int(np.argmax(spacing))
    return planes[thickest] if spacing[thickest] >= thicker * np.sort(spacing)[1] else Plane.AXIAL


def _canonical_axes(image: sitk.Image) -> tuple[list[int], list[bool]]:
    """For x (to left), y (to posterior), z (to superior): the image axis nearest to it, and whether it runs against it.

    Where two axes are equally near (45 degrees exactly) storage order and header rounding must not decide, so the
    patient is turned by an invisible angle first.
    """
    direction = _NUDGE @ np.reshape(image.GetDirection(), (3, 3))
    voxel = sitk.Image([1, 1, 1], sitk.sitkUInt8)
    voxel.SetDirection((direction / np.linalg.norm(direction, axis=0)).ravel().tolist())
    orient = sitk.DICOMOrientImageFilter()
    orient.SetDesiredCoordinateOrientation("LPS")
    orient.Execute(voxel)
    return list(orient.GetPermuteOrder()), list(orient.GetFlipAxes())
