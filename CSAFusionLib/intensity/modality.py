"""What kind of image a volume is, as its header, its name or its values say.

- Values show Hounsfield units (CT), and signs for and against a tracer (PET, SPECT).
- Of two MR volumes, the T2 is the one in which most tissue is dark and fluid bright.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.planes import Plane, slice_spacing, slices_view, to_slices
from CSAFusionLib.intensity.numeric_range import quantiles, within_float32
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
_FEWEST_OF_EVIDENCE = 500


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
    if left.size < _FEWEST_OF_EVIDENCE or left.std() == 0 or right.std() == 0:
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


_BINS = 1024
_BACKGROUND = 0.05
_MARGIN = 0.05
"""Measured, T2 less T1 of one patient: 0.12 to 0.46 on seven heads and a neck; 0.0 on averages of many people."""


def quartile_skewness(slices: Iterable[np.ndarray]) -> float:
    """Return Bowley's skewness of the grey values above the background, -1 to 1; 0 where there are none.

    By the three quartiles alone, so that bright fat in the scalp, which both kinds show, has no say.

    Args:
        slices: values in [0, 1], of any shape, one after the other.
    """
    counts = np.zeros(_BINS, np.int64)
    for one in slices:
        counts += np.histogram(one, _BINS, (0, 1))[0]
    counts[: round(_BACKGROUND * _BINS)] = 0
    if not counts.any():
        return 0.0
    cumulated = np.cumsum(counts) / counts.sum()
    low, middle, high = np.searchsorted(cumulated, (0.25, 0.5, 0.75))
    return float(high + low - 2 * middle) / float(high - low) if high > low else 0.0


def is_t2_beside(skewness: float, other: float) -> bool:
    """Whether a volume is the T2 and the other the T1, by their :func:`quartile_skewness`; False when in doubt."""
    return skewness > other + _MARGIN


class Modality(Enum):
    """Modalities whose intensities are mapped differently."""

    CT = "CT"
    MR = "MR"
    PET = "PET"
    SPECT = "SPECT"

    @property
    def is_functional(self) -> bool:
        """True for PET and SPECT, which may be shown in colour."""
        return self in (Modality.PET, Modality.SPECT)


class Confidence(Enum):
    """How far a modality can be relied on."""

    STATED = "stated"
    LIKELY = "likely"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Guess:
    """A modality, what says it ("DICOM header", "sidecar", "BIDS name", "file name", "values"), and how surely."""

    modality: Modality
    source: str
    confidence: Confidence


_DICOM_MODALITY = {"CT": Modality.CT, "MR": Modality.MR, "PT": Modality.PET, "NM": Modality.SPECT}
_BY_VALUES = "values"
_BY_FILE_NAME = "file name"
# Log odds within which the values leave it open.
_OPEN = 1.5


def guess_modality(volume: Volume) -> Modality:
    """Guess the modality; see :func:`guess`."""
    return guess(volume).modality


def guess(volume: Volume) -> Guess:
    """Guess the modality from DICOM tag, sidecar or name, else from the voxels; MR when in doubt.

    CT: air and soft tissue at their Hounsfield values, which a plain file name does not outweigh. PET: a colour volume,
    or one whose blur, rim, range, field of view and noise together are a tracer's
    (:mod:`CSAFusionLib.intensity.modality`). PET and SPECT look alike to this and are mapped alike: a SPECT that
    nothing names is called PET. A CT that is not in HU and a PET whose head was stripped of its scalp pass for MR.
    """
    named = _DICOM_MODALITY.get(volume.modality_hint or "")
    source = volume.acquisition.source
    if named is not None and source != _BY_FILE_NAME:
        return Guess(named, source or "DICOM header", Confidence.STATED)
    if volume.is_colour:
        return Guess(Modality.PET, _BY_VALUES, Confidence.UNSURE)
    if is_in_hounsfield(volume):
        return Guess(Modality.CT, _BY_VALUES, Confidence.LIKELY)
    if named is not None:
        return Guess(named, source, Confidence.LIKELY)
    evidence = tracer_evidence(within_float32(volume))
    confidence = Confidence.LIKELY if abs(evidence) >= _OPEN else Confidence.UNSURE
    return Guess(Modality.PET if evidence > 0 else Modality.MR, _BY_VALUES, confidence)
