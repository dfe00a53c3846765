"""Tell whether a volume is in Hounsfield units."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.volumes.volume import Volume

# Hounsfield's scale puts air at -1000 and soft tissue within 150 of 0: a CT has both peaks, and little else has either.
_AIR_BELOW = -500
_SOFT_TISSUE = (-150, 150)
_LEAST_AIR = 0.005
_LEAST_SOFT_TISSUE = 0.05

# Cross sections of heads, with what holds them, have up to 300 cm2; those of adults' trunks, 450 and more.
_LARGEST_HEAD_MM2 = 38_000
_NOT_AIR_ABOVE = -200
_LEAST_SECTION_MM2 = 1_000
_LOOKED_AT = 64


def is_in_hounsfield(volume: Volume) -> bool:
    """Tell from the values alone whether a volume is in HU: air and soft tissue lie where HU has them."""
    if volume.is_colour:
        return False
    voxels = sitk.GetArrayViewFromImage(volume.image)
    air_below, *soft = (volume.voxel_value(own) for own in (_AIR_BELOW, *_SOFT_TISSUE))
    air = np.count_nonzero(voxels < air_below)
    soft_tissue = np.count_nonzero((voxels >= soft[0]) & (voxels <= soft[1]))
    return bool(air >= _LEAST_AIR * voxels.size and soft_tissue >= _LEAST_SOFT_TISSUE * voxels.size)


def shows_a_head(volume: Volume) -> bool:
    """Tell a head from a trunk, in a volume in HU, by the area of its cross sections.

    A small child's trunk and limbs pass for a head. Looks at no more than 64 voxels along each axis.
    """
    image = volume.image
    direction = np.abs(np.reshape(image.GetDirection(), (3, 3)))
    axial = 2 - int(direction[2].argmax())
    steps = [max(1, -(-side // _LOOKED_AT)) for side in reversed(image.GetSize())]
    seen = sitk.GetArrayViewFromImage(image)[tuple(slice(None, None, step) for step in steps)]
    sides = [spacing * step for spacing, step in zip(reversed(image.GetSpacing()), steps, strict=True)]
    pixel = np.prod(sides) / sides[axial]
    others = tuple(axis for axis in range(3) if axis != axial)
    sections = np.count_nonzero(seen > volume.voxel_value(_NOT_AIR_ABOVE), axis=others) * pixel
    sections = sections[sections > _LEAST_SECTION_MM2]
    return bool(sections.size == 0 or np.median(sections) <= _LARGEST_HEAD_MM2)
