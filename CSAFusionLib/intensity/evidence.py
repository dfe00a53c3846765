"""What the values of a volume say for a tracer (PET, SPECT) and against: blur, rim, range, field of view, noise."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.planes import Plane, slice_spacing, slices_view
from CSAFusionLib.intensity.blur import edge_width_mm, rim_to_depth
from CSAFusionLib.intensity.quantiles import quantiles
from CSAFusionLib.volumes.volume import Volume

# The weights below are logarithms of odds by judgement, not fitted: each sign counts by how rarely the other kind of
# image shows it, and none decides alone but an edge sharper than any tracer's. Measured (edge width in mm, rim to
# depth): native MR 1.5 to 3.5 (4.3 with 2.4 mm voxels) and 0.76 to 1.12, with or without the scalp; MR averaged over
# many people 7 to 14 and 0.57 to 0.73; PET and SPECT of heads 4.8 to 16 and 0.35 to 0.38; of a whole body 18 and 0.70.
_PRIOR = -0.5
_SHARP_MM = 3.5
_SHARP = -4.0
_EDGE_MM = 4.0
_RIM_OF_HEAD, _RIM_OF_BODY = 0.5, 0.85
_SMALLEST_HEAD_MM, _LARGEST_HEAD_MM = 155.0, 350.0
_WHOLE_BODY_MM = 450.0
_FINE_PIXEL_MM, _COARSE_PIXEL_MM = 0.8, 2.0
_TAIL = 3.8
# MR is counted in 12 to 15 bits; activity in Bq/ml goes far beyond.
_MOST_OF_MR = 2.0**15
_AIR = 0.05
_FINE_NOISE_MM, _COARSE_NOISE_MM = 2.5, 4.0
_FEWEST_VOXELS = 500
_SLICES_ENOUGH = 40


def tracer_evidence(volume: Volume) -> float:
    """Return the evidence that a scalar volume shows a tracer: above 0 for PET and SPECT, below for MR, in log odds.

    volume: with values that float32 holds apart, not in Hounsfield units.
    """
    edge = edge_width_mm(volume)
    if edge < _SHARP_MM:
        return _SHARP
    size = float(np.max(np.multiply(volume.image.GetSize(), volume.image.GetSpacing())))
    evidence = _PRIOR + _clipped(2 * (edge - _EDGE_MM), -1, 1) + _of_grid(volume, size) + _of_rim(volume, size)
    evidence += _clipped(1.2 * (tail(volume) - _TAIL), -1 if size <= _LARGEST_HEAD_MM else -2, 2.5)
    if volume.own_value(float(sitk.GetArrayViewFromImage(volume.image).max())) > _MOST_OF_MR:
        evidence += 1.5
    noise = noise_length_mm(volume)
    if noise is not None and noise < _FINE_NOISE_MM:
        evidence -= 1.5
    elif noise is not None and noise > _COARSE_NOISE_MM:
        evidence += 0.5
    return float(evidence)


def tail(volume: Volume) -> float:
    """Return how many times the median of what is seen the brightest voxels are: a few organs take up most of a tracer.

    Black is the lowest 0.5 %, what is seen is above a tenth of the brightest 1 %.
    """
    voxels = _some_slices(volume)
    low, bright, brightest = quantiles(voxels, [0.005, 0.99, 0.999])
    seen = voxels[voxels > low + 0.1 * (bright - low)]
    if not seen.size or brightest <= low:
        return 1.0
    return (brightest - low) / max(quantiles(seen, [0.5])[0] - low, 1e-12 * (brightest - low))


def noise_length_mm(volume: Volume) -> float | None:
    """Return over how many mm noise in air stays alike: a pixel in MR, several mm in a reconstructed and filtered PET.

    None where there is too little air that is not plain black, as outside an extracted brain.
    """
    slices = _some_slices(volume)
    low, high = quantiles(slices, [0.005, 0.995])
    air = slices < low + _AIR * (high - low)
    both = air[..., :-1] & air[..., 1:] & (slices[..., :-1] != slices.min())
    left, right = slices[..., :-1][both], slices[..., 1:][both]
    if left.size < _FEWEST_VOXELS or left.std() == 0 or right.std() == 0:
        return None
    alike = float(np.corrcoef(left, right)[0, 1])
    pixel = slice_spacing(volume.image, Plane.ACQUIRED)[2]
    return pixel / -np.log(_clipped(alike, 0.01, 0.99))


def _some_slices(volume: Volume) -> np.ndarray:
    """Slices (S, H, W) float32 spread over the volume, enough to tell what it looks like."""
    slices = slices_view(volume.image, Plane.ACQUIRED)
    chosen = np.unique(np.linspace(0, len(slices) - 1, _SLICES_ENOUGH).round().astype(int))
    return slices[chosen].astype(np.float32)


def _of_grid(volume: Volume, size: float) -> float:
    """A whole body in coarse pixels is rather a tracer's, a part of a head or fine pixels an MR's; size in mm."""
    pixel = slice_spacing(volume.image, Plane.ACQUIRED)[2]
    if size < _SMALLEST_HEAD_MM:
        return -3
    if pixel < _FINE_PIXEL_MM:
        return -1.5
    return 1 if size >= _WHOLE_BODY_MM and pixel >= _COARSE_PIXEL_MM else 0


def _of_rim(volume: Volume, size: float) -> float:
    """Of a head what is dim under its surface speaks for a tracer, and marrow and fat against; less so of a body.

    size: the longest side in mm; too small a part has no rim of its own.
    """
    if size < _SMALLEST_HEAD_MM:
        return 0
    rim = rim_to_depth(volume)
    if size <= _LARGEST_HEAD_MM:
        return _clipped(20 * (_RIM_OF_HEAD - rim), -4, 3)
    return _clipped(4 * (_RIM_OF_BODY - rim), -1, 1)


def _clipped(value: float, low: float, high: float) -> float:
    return float(min(max(value, low), high))
