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


def is_in_hounsfield(volume: Volume) -> bool:
    """Tell from the values alone whether a volume is in HU: air and soft tissue lie where HU has them."""
    if volume.is_colour:
        return False
    voxels = sitk.GetArrayViewFromImage(volume.image)
    air_below, *soft = (volume.voxel_value(own) for own in (_AIR_BELOW, *_SOFT_TISSUE))
    air = np.count_nonzero(voxels < air_below)
    soft_tissue = np.count_nonzero((voxels >= soft[0]) & (voxels <= soft[1]))
    return bool(air >= _LEAST_AIR * voxels.size and soft_tissue >= _LEAST_SOFT_TISSUE * voxels.size)
