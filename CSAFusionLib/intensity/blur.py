"""Two physical marks of a PET or SPECT image: no sharp edge, and a dim rim where scalp and skull are."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.planes import Plane, slice_spacing, to_slices
from CSAFusionLib.intensity.quantiles import quantiles
from CSAFusionLib.volumes.volume import Volume

# A step of height 1 blurred by a Gaussian rises at most by 0.94 / FWHM in a mm.
_STEP_SLOPE = 2 * np.sqrt(np.log(2) / np.pi)
_SLICES_ENOUGH = 40
_BODY = 0.1
_RIM_MM = (8, 11)
_DEPTH_MM = (20, 30)
_COARSE_MM = 2.0
_FEWEST_VOXELS = 50


def edge_width_mm(volume: Volume) -> float:
    """Return the width (FWHM, mm) of the sharpest edges of a scalar volume, the steepest 1 % of its in-slice slopes.

    It is the resolution as seen in the image: 1.5 to 4.3 mm in native MR and CT, more in PET and SPECT.
    """
    slices = to_slices(volume.image, Plane.ACQUIRED)
    pixel = slice_spacing(volume.image, Plane.ACQUIRED)[1:]
    chosen = np.unique(np.linspace(0, len(slices) - 1, _SLICES_ENOUGH).round().astype(int))
    low, high = quantiles(slices, [0.01, 0.998])
    unit = np.clip((slices[chosen].astype(np.float32) - low) / max(high - low, 1e-12), 0, 1)
    if min(unit.shape[1:]) < 2 or not (unit > _BODY).any():
        return 0.0
    slope = np.hypot(*np.gradient(unit, *pixel, axis=(1, 2)))
    return float(_STEP_SLOPE / max(np.percentile(slope[unit > _BODY], 99), 1e-12))


def rim_to_depth(volume: Volume) -> float:
    """Return how bright a scalar volume is 8 to 11 mm under the surface of the body against 20 to 30 mm under it.

    In a head the rim is skull and the outermost brain: MR shows marrow, fat and cortex there, tracers go deeper.
    1 when the volume has no surface or is too thin to tell.
    """
    unit = _unit_coarse(volume.image)
    # Of a mask, the same as the binary filter, in half of its time.
    opened = sitk.GrayscaleMorphologicalOpening(unit > _BODY, [1, 1, 0], sitk.sitkBox)
    body = sitk.BinaryFillhole(opened)
    depth = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(body, insideIsPositive=True, squaredDistance=False, useImageSpacing=True)
    )
    values = sitk.GetArrayViewFromImage(unit)
    rim, deep = (values[(depth > low) & (depth <= high)] for low, high in (_RIM_MM, _DEPTH_MM))
    if min(rim.size, deep.size) < _FEWEST_VOXELS:
        return 1.0
    return float(np.median(rim) / max(np.median(deep), 1e-12))


def _unit_coarse(image: sitk.Image) -> sitk.Image:
    """The image in [0, 1] between its percentiles, thinned to voxels of about 2 mm: depth needs no finer ones."""
    sides, sizes = image.GetSpacing(), image.GetSize()
    thin = sitk.Shrink(
        image, [int(np.clip(_COARSE_MM / side, 1, size)) for side, size in zip(sides, sizes, strict=True)]
    )
    low, high = quantiles(sitk.GetArrayViewFromImage(thin), [0.01, 0.995])
    thin = sitk.Clamp(thin, sitk.sitkFloat32, low, high)
    return (thin - low) / max(high - low, 1e-12)
