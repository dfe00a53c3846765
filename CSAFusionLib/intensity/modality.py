"""What kind of image a volume is, as its header, its name or its values say.

The values and the grid of a volume give signs of its kind and range, each computed once:

- Hounsfield units: air and soft tissue lie where their scale has them.
- A tracer (PET, SPECT) or none: edges, the rim of a head, hot organs, noise and the grid, weighed as odds.
- The limits of the foreground, for an image that has no physical scale.

Of two MR volumes whose headers and names do not tell the T1, the T2 is the one in which most tissue is dark and fluid
bright.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np

from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.geometry.planes import Plane, slice_spacing, slices_view
from CSAFusionLib.intensity.voxel_values import Distribution, quantiles, within_float32
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

# A step of height 1 blurred by a Gaussian rises at most by 0.94 / FWHM in a mm.
_STEP_SLOPE = 2 * np.sqrt(np.log(2) / np.pi)
_SLICES_ENOUGH = 40
_BODY = 0.1
_RIM_MM = (8, 11)
_DEPTH_MM = (20, 30)
_COARSE_MM = 2.0
_FEWEST_VOXELS = 50

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

# Single voxels beyond these percentiles (spikes, wrap-around, interpolation overshoot) do not count.
_ROBUST = (0.5, 99.9)
_WHITE = 99.5
# The bulk of the tissue must not be darker than a third, whatever bright fat or fluid lies above it.
_WHITE_OVER_MEDIAN = 3.0
# Noise in air is cut off, but where the field of view holds no air the darkest class is tissue: then cut this at most.
_MOST_CUT = 0.05


class Evidence:
    """The signs that one volume shows; each is computed when it is first read, and then remembered.

    ``volume`` has values that float32 holds apart.
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume

    @cached_property
    def in_hounsfield(self) -> bool:
        """Whether a volume is in HU, by its values alone: air and soft tissue lie where HU has them."""
        volume = self.volume
        if volume.is_colour:
            return False
        air_below, *soft = (volume.voxel_value(own) for own in (_AIR_BELOW, *_SOFT_TISSUE))
        voxels = self._distribution
        values, count = voxels.values, volume.image.GetNumberOfPixels()
        air = voxels.count(values < air_below)
        soft_tissue = voxels.count((values >= soft[0]) & (values <= soft[1]))
        return bool(air >= _LEAST_AIR * count and soft_tissue >= _LEAST_SOFT_TISSUE * count)

    @cached_property
    def shows_a_head(self) -> bool:
        """Whether a volume in HU shows a head and not a trunk, by the area of its cross sections.

        A small child's trunk and limbs pass for a head. At most 64 voxels along each axis are used.
        """
        image = self.volume.image
        direction = np.abs(np.reshape(image.GetDirection(), (3, 3)))
        axial = 2 - int(direction[2].argmax())
        steps = [max(1, -(-side // _LOOKED_AT)) for side in reversed(image.GetSize())]
        seen = sitk.GetArrayViewFromImage(image)[tuple(slice(None, None, step) for step in steps)]
        sides = [spacing * step for spacing, step in zip(reversed(image.GetSpacing()), steps, strict=True)]
        pixel = np.prod(sides) / sides[axial]
        others = tuple(axis for axis in range(3) if axis != axial)
        sections = np.count_nonzero(seen > self.volume.voxel_value(_NOT_AIR_ABOVE), axis=others) * pixel
        sections = sections[sections > _LEAST_SECTION_MM2]
        return bool(sections.size == 0 or np.median(sections) <= _LARGEST_HEAD_MM2)

    @cached_property
    def tracer(self) -> float:
        """How much points to a tracer: above 0 for PET and SPECT, below for MR, in log odds; not for a volume in HU."""
        if self.edge_width_mm < _SHARP_MM:
            return _SHARP
        evidence = _PRIOR + _clipped(2 * (self.edge_width_mm - _EDGE_MM), -1, 1) + self._grid + self._rim
        evidence += _clipped(1.2 * (self.tail - _TAIL), -1 if self._size <= _LARGEST_HEAD_MM else -2, 2.5)
        if self.volume.own_value(self.extremes[1]) > _MOST_OF_MR:
            evidence += 1.5
        noise = self.noise_length_mm
        if noise is not None and noise < _FINE_NOISE_MM:
            evidence -= 1.5
        elif noise is not None and noise > _COARSE_NOISE_MM:
            evidence += 0.5
        return float(evidence)

    @cached_property
    def edge_width_mm(self) -> float:
        """The width (FWHM, mm) of the sharpest edges, the steepest 1 % of the slopes within slices.

        It is the resolution as seen in the image: 1.5 to 4.3 mm in native MR and CT, more in PET and SPECT.
        """
        low, high = self._distribution.quantiles([0.01, 0.998])
        unit = np.clip((self._some_slices - low) / max(high - low, 1e-12), 0, 1)
        if min(unit.shape[1:]) < 2 or not (unit > _BODY).any():
            return 0.0
        # One slice after the other stays in the cache.
        slopes = [np.hypot(*np.gradient(one, *self._spacing[1:]))[one > _BODY] for one in unit]
        return float(_STEP_SLOPE / max(np.percentile(np.concatenate(slopes), 99), 1e-12))

    @cached_property
    def rim_to_depth(self) -> float:
        """How bright the volume is 8 to 11 mm under the surface of the body against 20 to 30 mm under it.

        In a head the rim is skull and the outermost brain: MR shows marrow, fat and cortex there, tracers go deeper.
        1 when the volume has no surface or is too thin to tell.
        """
        unit = _unit_coarse(self.volume.image)
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

    @cached_property
    def tail(self) -> float:
        """The brightest voxels as a multiple of the visible ones' median: few organs take up most of a tracer.

        Black is the lowest 0.5 %; what exceeds a tenth of the brightest 1 % is visible.
        """
        voxels = self._some_slices
        low, bright, brightest = quantiles(voxels, [0.005, 0.99, 0.999])
        seen = voxels[voxels > low + 0.1 * (bright - low)]
        if not seen.size or brightest <= low:
            return 1.0
        return (brightest - low) / max(quantiles(seen, [0.5])[0] - low, 1e-12 * (brightest - low))

    @cached_property
    def noise_length_mm(self) -> float | None:
        """The correlation length of noise in air: a pixel in MR, several mm in a reconstructed and filtered PET.

        None where too little air differs from plain black, as around an extracted brain.
        """
        slices = self._some_slices
        low, high = quantiles(slices, [0.005, 0.995])
        air = slices < low + _AIR * (high - low)
        both = air[..., :-1] & air[..., 1:] & (slices[..., :-1] != slices.min())
        left, right = slices[..., :-1][both], slices[..., 1:][both]
        if left.size < _FEWEST_OF_EVIDENCE or left.std() == 0 or right.std() == 0:
            return None
        alike = float(np.corrcoef(left, right)[0, 1])
        return self._spacing[2] / -np.log(_clipped(alike, 0.01, 0.99))

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """The lowest and the highest value of a voxel."""
        values = self._distribution.values
        return float(values.min()), float(values.max())

    @cached_property
    def foreground(self) -> tuple[float, float]:
        """Black and white of an image without a physical scale: where noise in air ends, and where tissue is bright."""
        voxels, extremes = self._distribution, self.extremes
        floor, top = voxels.quantiles([share / 100 for share in _ROBUST])
        if floor == top:
            return extremes
        # Otsu's threshold parts bright tissue from the rest; half of it parts tissue from no signal.
        split = (floor + voxels.otsu(floor, top)) / 2
        bright, middle = voxels.where(voxels.values > split).quantiles([_WHITE / 100, 0.5])
        white = min(bright, floor + _WHITE_OVER_MEDIAN * (middle - floor))
        dark = voxels.where(voxels.values <= split)
        level = dark.quantiles([0.5])[0]
        spread = 3 * 1.4826 * dark.away_from(level).quantiles([0.5])[0]
        darkest = max(floor, level - spread)
        black = min(level + spread, darkest + _MOST_CUT * (white - darkest))
        return (black, white) if black < white else extremes

    def share_above(self, floor: float, share: float) -> float:
        """Return the value below which a share, in [0, 1], of the voxels above ``floor`` lies."""
        voxels = self._distribution
        return voxels.where(voxels.values > floor).quantiles([share])[0]

    def shown_quartiles(self, shown: Callable[[np.ndarray], np.ndarray]) -> Quartiles:
        """Return :func:`grey_quartiles` of the voxels as a mapping shows them, in [0, 1]."""
        if self._distribution.counts is not None:
            return _shown_of(self._distribution, shown)
        return shown_quartiles(sitk.GetArrayViewFromImage(self.volume.image), shown)

    @cached_property
    def _distribution(self) -> Distribution:
        """The values of all voxels."""
        return Distribution.of(sitk.GetArrayViewFromImage(self.volume.image))

    @cached_property
    def _some_slices(self) -> np.ndarray:
        """Slices (S, H, W) float32 spread over the volume, enough to tell what it looks like."""
        slices = slices_view(self.volume.image, Plane.ACQUIRED)
        chosen = np.unique(np.linspace(0, len(slices) - 1, _SLICES_ENOUGH).round().astype(int))
        return slices[chosen].astype(np.float32)

    @cached_property
    def _spacing(self) -> tuple[float, float, float]:
        """The sides of a voxel in mm along (slice, row, column)."""
        return slice_spacing(self.volume.image, Plane.ACQUIRED)

    @property
    def _size(self) -> float:
        """The longest side in mm."""
        image = self.volume.image
        return float(np.max(np.multiply(image.GetSize(), image.GetSpacing())))

    @property
    def _grid(self) -> float:
        """A whole body in coarse pixels suggests a tracer; a part of a head, or fine pixels, suggest MR."""
        pixel = self._spacing[2]
        if self._size < _SMALLEST_HEAD_MM:
            return -3
        if pixel < _FINE_PIXEL_MM:
            return -1.5
        return 1 if self._size >= _WHOLE_BODY_MM and pixel >= _COARSE_PIXEL_MM else 0

    @property
    def _rim(self) -> float:
        """A dim rim of a head suggests a tracer, a bright one (marrow and fat) MR; the rim of a body says less.

        Too small a part of a head has no rim.
        """
        if self._size < _SMALLEST_HEAD_MM:
            return 0
        if self._size <= _LARGEST_HEAD_MM:
            return _clipped(20 * (_RIM_OF_HEAD - self.rim_to_depth), -4, 3)
        return _clipped(4 * (_RIM_OF_BODY - self.rim_to_depth), -1, 1)


def is_in_hounsfield(volume: Volume) -> bool:
    """Tell from the values alone whether a volume is in HU; see :attr:`Evidence.in_hounsfield`."""
    return Evidence(volume).in_hounsfield


def _unit_coarse(image: sitk.Image) -> sitk.Image:
    """The image in [0, 1] between its percentiles, thinned to voxels of about 2 mm: depth needs no finer ones."""
    sides, sizes = image.GetSpacing(), image.GetSize()
    thin = sitk.Shrink(
        image, [int(np.clip(_COARSE_MM / side, 1, size)) for side, size in zip(sides, sizes, strict=True)]
    )
    low, high = quantiles(sitk.GetArrayViewFromImage(thin), [0.01, 0.995])
    thin = sitk.Clamp(thin, sitk.sitkFloat32, low, high)
    return (thin - low) / max(high - low, 1e-12)


def _clipped(value: float, low: float, high: float) -> float:
    return float(min(max(value, low), high))


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
    """Guess the modality of any valid volume; see :func:`guess`."""
    return guess(Evidence(within_float32(volume))).modality


def guess(evidence: Evidence) -> Guess:
    """Guess the modality from DICOM tag, sidecar or name, else from the voxels; MR when in doubt.

    Air and soft tissue at their Hounsfield values make a CT, whatever a plain file name says. A colour volume is a PET,
    and so is one whose blur, rim, range, field of view and noise together suggest a tracer. PET and SPECT cannot be
    distinguished in this way and are mapped alike: a SPECT that nothing names is called PET. A CT that is not in HU,
    and a PET of a head without its scalp, are taken for MR.
    """
    volume = evidence.volume
    named = _DICOM_MODALITY.get(volume.modality_hint or "")
    source = volume.acquisition.source
    if named is not None and source != _BY_FILE_NAME:
        return Guess(named, source or "DICOM header", Confidence.STATED)
    if volume.is_colour:
        return Guess(Modality.PET, _BY_VALUES, Confidence.UNSURE)
    if evidence.in_hounsfield:
        return Guess(Modality.CT, _BY_VALUES, Confidence.LIKELY)
    if named is not None:
        return Guess(named, source, Confidence.LIKELY)
    confidence = Confidence.LIKELY if abs(evidence.tracer) >= _OPEN else Confidence.UNSURE
    return Guess(Modality.PET if evidence.tracer > 0 else Modality.MR, _BY_VALUES, confidence)


_BINS = 1024
_BACKGROUND = 0.05
_MARGIN = 0.1
"""Measured, T2 less T1 of one patient: 0.12 to 0.46 on seven heads and a neck; 0.0 on averages of many people. FLAIR
less T1: -0.07 to 0.12 on six scans of four heads, so that the values seldom tell these two apart."""

Quartiles = tuple[float, float, float]


def grey_quartiles(slices: Iterable[np.ndarray]) -> Quartiles:
    """Return the three quartiles of the grey values above the background; zeros where there are none.

    Args:
        slices: values in [0, 1], of any shape, one after the other.
    """
    return _quartiles(sum((np.histogram(one, _BINS, (0, 1))[0] for one in slices), np.zeros(_BINS, np.int64)))


def shown_quartiles(voxels: np.ndarray, shown: Callable[[np.ndarray], np.ndarray]) -> Quartiles:
    """Return :func:`grey_quartiles` of the voxels (Z, Y, X) of a volume as a mapping shows them, in [0, 1]."""
    if voxels.dtype.kind not in "iu" or voxels.dtype.itemsize > 2:
        # One slab after the other: a whole mapped copy would not fit beside the rest.
        return grey_quartiles(map(shown, voxels))
    return _shown_of(Distribution.of(voxels), shown)


def _shown_of(levels: Distribution, shown: Callable[[np.ndarray], np.ndarray]) -> Quartiles:
    return _quartiles(np.histogram(shown(levels.values), _BINS, (0, 1), weights=levels.counts)[0])


def _quartiles(counts: np.ndarray) -> Quartiles:
    counts[: round(_BACKGROUND * _BINS)] = 0
    if not counts.any():
        return 0.0, 0.0, 0.0
    low, middle, high = np.searchsorted(np.cumsum(counts) / counts.sum(), (0.25, 0.5, 0.75)) / _BINS
    return float(low), float(middle), float(high)


def quartile_skewness(quartiles: Quartiles) -> float:
    """Return Bowley's skewness, -1 to 1; 0 where the quartiles are one.

    It depends on the three quartiles alone, so bright fat in the scalp, which both kinds show, does not count.
    """
    low, middle, high = quartiles
    return (high + low - 2 * middle) / (high - low) if high > low else 0.0


def is_t2_beside(quartiles: Quartiles, other: Quartiles) -> bool | None:
    """Whether a volume is the T2 and the other the T1, by their :func:`grey_quartiles`; None when in doubt."""
    difference = quartile_skewness(quartiles) - quartile_skewness(other)
    return difference > 0 if abs(difference) > _MARGIN else None
