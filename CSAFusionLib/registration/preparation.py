"""Turn a volume into what mutual information is measured on: one component, no outliers, a chosen resolution."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.grid import points_of
from CSAFusionLib.geometry.straight import resampled_straight
from CSAFusionLib.intensity.colour import rgb_to_yuv
from CSAFusionLib.intensity.numeric_range import within_float32
from CSAFusionLib.volumes.volume import Volume

# A few saturated voxels (metal, vessels, a ringing edge) would stretch the histogram until the tissues share one bin.
_KEPT_QUANTILES = (0.001, 0.999)

# Coarsening leaves an axis at least this many voxels, so that a thin slab keeps its slices.
_MINIMUM_LENGTH = 8

# Of two fields of view one is but a part of the other when it has less than this share of the other's volume.
_PART_SHARE = 0.5

# A slab is less than this share as thick as it is wide.
_SLAB_SHARE = 0.25


def prepare(volume: Volume) -> sitk.Image:
    """Return a volume as a scalar float32 image: luminance where it has colour, extremes clamped.

    It keeps its voxels where they are, but stores them in the order of :func:`in_one_order`; where its axes are sheared
    it is on a straight grid that holds them: not every engine follows a shear, and a transform in mm is the same for
    both.
    """
    volume = within_float32(volume)
    image = _luminance(volume.image) if volume.is_colour else sitk.Cast(volume.image, sitk.sitkFloat32)
    image = in_one_order(resampled_straight(image, float(sitk.GetArrayViewFromImage(image).min())))
    low, high = np.quantile(sitk.GetArrayFromImage(coarsen(image, 3 * min(image.GetSpacing()))), _KEPT_QUANTILES)
    if low == high:
        return image
    return sitk.Clamp(image, sitk.sitkFloat32, float(low), float(high))


def in_one_order(image: sitk.Image) -> sitk.Image:
    """Return the image with its axes permuted and flipped to lie nearest to LPS: no voxel changes its place or value.

    What is found then does not depend on the order in which a file stores the voxels.
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


def pad_slab(fixed: sitk.Image, moving: sitk.Image) -> sitk.Image:
    """Return the moving image; where both are thin slabs, with its darkest value around it, as thick again.

    Two slabs can turn until only a sliver of them meets, and mutual information likes slivers. With air known to
    surround the moving slab, leaving it costs agreement. Not for a slab in a whole head, where air there is untrue.
    """
    axes = _slab_axes(moving)
    if not (any(axes) and any(_slab_axes(fixed))):
        return moving
    width = [length if thin else 0 for length, thin in zip(moving.GetSize(), axes, strict=True)]
    return sitk.ConstantPad(moving, width, width, float(sitk.GetArrayViewFromImage(moving).min()))


def is_part_of(image: sitk.Image, other: sitk.Image) -> bool:
    """Whether the image shows so much less than the other that only a part of the other can agree with it."""
    return volume_of(image) < _PART_SHARE * volume_of(other)


def volume_of(image: sitk.Image) -> float:
    """Return the volume of the field of view, mm^3."""
    return float(np.prod(np.multiply(image.GetSize(), image.GetSpacing())))


def slab_normals(image: sitk.Image) -> list[np.ndarray]:
    """Return the directions, (3,) unit vectors in LPS, across which the image is a thin slab; none for a whole."""
    axes = np.reshape(image.GetDirection(), (3, 3)).T
    return [axis for axis, thin in zip(axes, _slab_axes(image), strict=True) if thin]


def centre(image: sitk.Image) -> np.ndarray:
    """Return the centre of the field of view, (3,) in LPS mm."""
    middle = [(length - 1) / 2 for length in image.GetSize()]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(middle))


def foreground(image: sitk.Image) -> sitk.Image:
    """Mark what is brighter than the background (Otsu's threshold), 1 or 0 (uint8)."""
    return sitk.OtsuThreshold(image, 0, 1)


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


def _slab_axes(image: sitk.Image) -> list[bool]:
    sides = np.multiply(image.GetSize(), image.GetSpacing())
    return [bool(side < _SLAB_SHARE * sides.max()) for side in sides]


def _luminance(image: sitk.Image) -> sitk.Image:
    rgb = sitk.GetArrayFromImage(image).astype(np.float32)
    luminance = sitk.GetImageFromArray(np.ascontiguousarray(rgb_to_yuv(rgb)[..., 0]))
    luminance.CopyInformation(image)
    return luminance
