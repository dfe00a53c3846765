"""Prepare two volumes for registration: one component, no outliers, and positions in which they meet."""

from __future__ import annotations

import itertools
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.field_of_view import field_of_view
from CSAFusionLib.geometry.grid import (
    centre,
    coarsen,
    in_one_order,
    lowest_value,
    points_of,
    resampled_straight,
    volume_of,
)
from CSAFusionLib.geometry.transform_algebra import identity
from CSAFusionLib.intensity.voxel_values import foreground, rgb_to_yuv, within_float32
from CSAFusionLib.registration.quality.similarity import agreement
from CSAFusionLib.volumes.volume import Volume

# A few saturated voxels (metal, vessels, a ringing edge) would stretch the histogram until the tissues share one bin.
_KEPT_QUANTILES = (0.001, 0.999)

# A field of view is only a part of another if it has less than this share of the other's volume.
_PART_SHARE = 0.5

# A slab is thinner than this share of its width.
_SLAB_SHARE = 0.25

# One voxel in this many along each axis is mostly enough to see that two volumes overlap.
_EVERY = 8

# Rough enough to try a few hundred places in a second, fine enough for a search that starts there.
_ROUGH_SPACING_MM = 16.0
_STEP_MM = 24.0
_MOST_STEPS = 9


class PreparedPair:
    """Two volumes, valid and within float32, in the form that every engine and the quality assessment take.

    ``fixed`` and ``moving`` are what :func:`prepare` returns, positioned by their headers. If the two do not meet,
    ``placed`` is the moving image moved onto the fixed one, and ``shift``, (3,) mm, takes it back; otherwise ``shift``
    is None.
    """

    def __init__(self, fixed: Volume, moving: Volume) -> None:
        self.names = fixed.name, moving.name
        self.fixed = _prepared(fixed)
        self.moving = _prepared(moving)

    @cached_property
    def _placement(self) -> tuple[sitk.Image, np.ndarray | None]:
        return (self.moving, None) if meet(self.fixed, self.moving) else centred(self.fixed, self.moving)

    @property
    def placed(self) -> sitk.Image:
        """The moving image in the position where the search begins."""
        return self._placement[0]

    @property
    def shift(self) -> np.ndarray | None:
        """The shift that takes ``placed`` back to the position in its header; None if it is there."""
        return self._placement[1]

    @property
    def centres_apart_mm(self) -> float:
        """How far apart the headers put the centres of the two."""
        return float(np.linalg.norm(centre(self.moving) - centre(self.fixed)))

    def overlaps(self, transform: sitk.Transform) -> bool:
        """Whether a transform, from fixed to moving points, takes any fixed voxel into the moving field of view."""
        return overlap(self.fixed, self.moving, transform)


def prepare(volume: Volume) -> sitk.Image:
    """Return a volume as a scalar float32 image: luminance where it has colour, extremes clamped.

    Voxels stay where they are, but are stored in the order of :func:`in_one_order`. A volume with sheared axes is
    resampled on a straight grid, because not every engine follows a shear; a transform in mm is the same for both
    grids.
    """
    return _prepared(within_float32(volume))


def _prepared(volume: Volume) -> sitk.Image:
    image = _luminance(volume.image) if volume.is_colour else sitk.Cast(volume.image, sitk.sitkFloat32)
    straight = resampled_straight(image, lowest_value(image))
    image = in_one_order(straight)
    low, high = np.quantile(sitk.GetArrayFromImage(coarsen(image, 3 * min(image.GetSpacing()))), _KEPT_QUANTILES)
    if low == high:
        return image
    return sitk.Clamp(image, sitk.sitkFloat32, float(low), float(high))


def pad_slab(fixed: sitk.Image, moving: sitk.Image) -> sitk.Image:
    """Return the moving image; if both are thin slabs, pad it with its darkest value by its own thickness.

    Two slabs can turn until only a sliver of them overlaps, and mutual information favours slivers. With air around the
    moving slab, leaving it costs agreement. A slab in a whole head is not padded: there is no air around it.
    """
    axes = _slab_axes(moving)
    if not (any(axes) and any(_slab_axes(fixed))):
        return moving
    width = [length if thin else 0 for length, thin in zip(moving.GetSize(), axes, strict=True)]
    return sitk.ConstantPad(moving, width, width, lowest_value(moving))


def is_part_of(image: sitk.Image, other: sitk.Image) -> bool:
    """Whether the image shows so much less than the other that only a part of the other can agree with it."""
    return volume_of(image) < _PART_SHARE * volume_of(other)


def slab_normals(image: sitk.Image) -> list[np.ndarray]:
    """Return the directions, (3,) unit vectors in LPS, across which an image is a thin slab; none for a whole one."""
    axes = np.reshape(image.GetDirection(), (3, 3)).T
    return [axis for axis, thin in zip(axes, _slab_axes(image), strict=True) if thin]


def foreground_centre(image: sitk.Image) -> np.ndarray:
    """Return the centroid of the foreground, (3,) in LPS mm; intensities below zero (air in CT) carry no weight."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(foreground(image))
    return np.array(shape.GetCentroid(1)) if shape.HasLabel(1) else centre(image)


def head_points(image: sitk.Image, count: int = 2000, seed: int = 0) -> np.ndarray:
    """Return centres of foreground voxels, spread evenly at random, (at most ``count``, 3) in LPS mm."""
    indices = np.argwhere(sitk.GetArrayFromImage(foreground(image)))
    chosen = np.random.default_rng(seed).permutation(len(indices))[:count]
    return points_of(image, indices[chosen])


def meet(fixed: sitk.Image, moving: sitk.Image) -> bool:
    """Whether any voxel of the fixed image lies in the moving field of view by their headers."""
    return overlap(fixed, moving, identity())


def overlap(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> bool:
    """Whether a transform takes any voxel of the fixed image into the moving field of view.

    transform: from fixed to moving points, LPS mm.
    """
    few = fixed[::_EVERY, ::_EVERY, ::_EVERY]
    return any(sitk.GetArrayFromImage(field_of_view(moving, image, transform)).any() for image in (few, fixed))


def centred(fixed: sitk.Image, moving: sitk.Image) -> tuple[sitk.Image, np.ndarray]:
    """Move the moving image onto the fixed one, by its header, to where the two agree best without rotation.

    fixed, moving: scalar float32, in the order of :func:`CSAFusionLib.geometry.grid.in_one_order`.

    The shifts tried are those that keep one field of view inside the other along each axis, and those half way out of
    it.
    Returns the image, and the shift that takes it back to where it was, (3,) mm.
    """
    coarse_fixed, coarse_moving = coarsen(fixed, _ROUGH_SPACING_MM), coarsen(moving, _ROUGH_SPACING_MM)
    shift = centre(moving) - centre(fixed)
    room = np.abs(np.subtract(*(_extent(image) for image in (fixed, moving)))) / 2
    tried = [shift + np.array(step) for step in itertools.product(*map(_steps, room))]
    best = max(
        tried, key=lambda step: agreement(coarse_fixed, coarse_moving, sitk.TranslationTransform(3, step.tolist()))
    )
    placed = sitk.Image(moving)
    placed.SetOrigin((np.array(moving.GetOrigin()) - best).tolist())
    return placed, best


def _slab_axes(image: sitk.Image) -> list[bool]:
    sides = np.multiply(image.GetSize(), image.GetSpacing())
    return [bool(side < _SLAB_SHARE * sides.max()) for side in sides]


def _luminance(image: sitk.Image) -> sitk.Image:
    rgb = sitk.GetArrayFromImage(image).astype(np.float32)
    luminance = sitk.GetImageFromArray(np.ascontiguousarray(rgb_to_yuv(rgb)[..., 0]))
    luminance.CopyInformation(image)
    return luminance


def _extent(image: sitk.Image) -> np.ndarray:
    """The sides of the box along the axes of the patient that holds the field of view, (3,) mm."""
    sides = np.multiply(image.GetSize(), image.GetSpacing())
    return np.abs(np.reshape(image.GetDirection(), (3, 3))) @ sides


def _steps(room: float) -> np.ndarray:
    """Steps in mm from the middle in both directions, as far as there is room; the middle is one of them."""
    count = min(_MOST_STEPS // 2, round(room / _STEP_MM))
    return np.linspace(-room, room, 2 * count + 1) if count else np.zeros(1)
