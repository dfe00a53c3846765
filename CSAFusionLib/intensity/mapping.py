"""From stored values to [0, 1]: CT windows, one mapping for the whole volume, and an optional bias correction of an MR.

- Windows are in the unit in which a volume's values are shown: HU, SUV, or its own.
- N4 (Tustison et al., 2010) estimates and removes the slow change of brightness that receive coils cause.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from CSAFusionLib import checks
from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.planes import Plane, slices_view
from CSAFusionLib.intensity.modality import Evidence, Modality, is_in_hounsfield
from CSAFusionLib.intensity.voxel_values import within_float32
from CSAFusionLib.volumes.volume import Volume

# Black and white, half a width beside the level, are floats too.
_LARGEST = 1e300


@dataclass(frozen=True)
class Window:
    """The range of values that is spread over black to white: ``width`` wide, centred on ``level``."""

    level: float
    width: float

    def __post_init__(self) -> None:
        hint = "a width above 0 and a level, such as 80 and 40"
        for name, lowest in (("level", -_LARGEST), ("width", 0.0)):
            value = checks.number(getattr(self, name), f"{name} of a window", hint, low=lowest, high=_LARGEST)
            object.__setattr__(self, name, value)
        if self.width == 0:
            raise InputError(f"A window cannot have the width 0; give {hint}.")

    @classmethod
    def from_dict(cls, values: object) -> Window:
        """The window of ``{"level": ..., "width": ...}``; InputError for anything else."""
        given = checks.mapping(values, "window")
        if set(given) != {"level", "width"}:
            raise InputError(f"A window has a level and a width, not {checks.shown(sorted(given))}.")
        return cls(**given)

    @property
    def low(self) -> float:
        """The value shown black."""
        return self.level - self.width / 2

    @property
    def high(self) -> float:
        """The value shown white."""
        return self.level + self.width / 2


CT_WINDOWS = {
    "brain": Window(40, 80),
    "stroke": Window(35, 40),
    "subdural": Window(75, 215),
    "soft-tissue": Window(50, 400),
    "abdomen": Window(60, 400),
    "lung": Window(-600, 1500),
    "bone": Window(600, 2800),
    "skull-and-brain": Window(100, 300),
    "wide": Window(500, 3000),
}


@dataclass(frozen=True)
class TwoSlopes:
    """Values shown by two straight lines: from ``black`` to ``knee`` soft tissue, from there to ``white`` bone.

    ``brightness`` is that of the knee.
    """

    black: float
    knee: float
    white: float
    brightness: float


# In fusion with an MR brain, fresh blood and bone must all be seen. A brain window shows the first two, and everything
# above 80 HU is white; a window wide enough for bone leaves the brain so few grey levels that a bleeding of 75 HU is
# lost in the MR's texture. So the brain window gets the lower four fifths, and bone is told from the rest above.
HEAD_CT = TwoSlopes(black=0, knee=80, white=1000, brightness=0.8)
BODY_CT = TwoSlopes(black=-160, knee=240, white=1000, brightness=0.85)
"""The usual soft-tissue window (level 40, width 400), and bone above it."""


def parse_window(text: str) -> Window:
    """Read a window from the name of a CT preset ("brain") or from "level,width" ("40,80").

    Raises InputError when it is neither, or when the width is not positive.
    """
    if text in CT_WINDOWS:
        return CT_WINDOWS[text]
    try:
        level, width = (float(number) for number in text.split(","))
    except ValueError:
        raise InputError(
            f"'{text}' is not a window; give one of {', '.join(CT_WINDOWS)}, or 'level,width' such as '40,80'."
        ) from None
    return Window(level, width)


SUV = "SUV"
"""Standardised uptake value by body weight, g/ml."""


def display_unit(volume: Volume, modality: Modality) -> str:
    """Return the unit, "" where nothing says it."""
    if modality is Modality.CT:
        return "HU" if is_in_hounsfield(volume) else ""
    return SUV if _has_suv(volume, modality) else volume.acquisition.unit


def display_factor(volume: Volume, modality: Modality) -> float:
    """Return what one of the volume's own values is multiplied by: 1, or that to SUV."""
    return volume.acquisition.suv if _has_suv(volume, modality) else 1.0


def in_own_values(window: Window | None, volume: Volume, modality: Modality) -> Window | None:
    """Return a window, given in the unit in which values are shown, in the volume's own values."""
    factor = display_factor(volume, modality)
    return window if window is None or factor == 1 else Window(window.level / factor, window.width / factor)


def _has_suv(volume: Volume, modality: Modality) -> bool:
    return modality is Modality.PET and volume.acquisition.suv > 0


# The field is slow: it is found on voxels of about this size, and evaluated on all.
_COARSE_MM = 5.0
_FEWEST = 4  # voxels along an axis of the coarse image; the splines need as many
_ITERATIONS = [30, 30, 20]
_CONVERGED = 1e-3
_LARGEST_FACTOR = 10.0

CORRECTED = "was corrected for its bias field by N4; its intensities are the corrected ones."


def bias_corrected(volume: Volume) -> Volume:
    """Return a scalar MR divided by its bias field, float32, with a note that says so.

    Only tissue is used (above half of Otsu's threshold), since air would count as data. Values below 0 stay below 0.
    A volume without tissue, or thinner than the splines need, is returned as it is.
    """
    image = sitk.Cast(volume.image, sitk.sitkFloat32)
    factors = [
        int(np.clip(_COARSE_MM / side, 1, max(1, size // _FEWEST)))
        for side, size in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    coarse = sitk.Shrink(image, factors)
    mask = _tissue(coarse)
    if min(coarse.GetSize()) < _FEWEST or not sitk.GetArrayViewFromImage(mask).any():
        return volume
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(_ITERATIONS)
    n4.SetConvergenceThreshold(_CONVERGED)
    n4.Execute(coarse, mask)
    field = sitk.Clamp(
        sitk.Exp(n4.GetLogBiasFieldAsImage(image)), sitk.sitkFloat32, 1 / _LARGEST_FACTOR, _LARGEST_FACTOR
    )
    corrected = image / field
    corrected.CopyInformation(volume.image)
    return replace(volume, image=corrected, notes=(*volume.notes, CORRECTED))


def _tissue(image: sitk.Image) -> sitk.Image:
    low = float(np.quantile(sitk.GetArrayViewFromImage(image), 0.005))
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(image)
    return image > max((otsu.GetThreshold() + low) / 2, 0.0)


_ONE_GREY = 1 / 256
_WHITE_OF_TRACER = 99.9
# A tracer's zero stays black unless that leaves less than this part of the greys to the volume.
_MOST_FLOOR = 16

# Between these float32 computes with the values of a volume without overflow or loss to denormal numbers.
_WIDEST = 1e37
_NARROWEST = 1e-30


# For a CT that is not in HU: half of what is not air is put at the grey of brain, and 4 % is bone.
_AIR_OF_A_CT = 0.05
_TISSUE_OF_A_CT = 0.35
_ABOVE_TISSUE = 1.1
_WHITE_OF_A_CT = 0.96

WHITE_MATTER_OF_T1, WHITE_MATTER_OF_T2 = 0.84, 0.26
"""The greys that white matter has on a T1 beside another MR, and on what is shown in the place of a T2."""
_TISSUE_KNEE = 0.9
"""Up to here its window is one line; what is brighter (fat, enhancement) shares the rest, so none of it is clipped."""
_STEEPEST = 1.3
"""The most that contrast above dimmed tissue is raised by: the cortex of a FLAIR would be as white as a lesion."""
_MOST_BRIGHTENED = 3.0
"""Largest factor of brightness: more would raise the noise of a volume that is nearly black."""

_SLICES_ENOUGH = 20
_SQUARE = 3
_EVEN_SHARE = 0.3
_DARKEST_TISSUE, _BRIGHTEST_TISSUE = 0.1, 0.98
_BINS = 100
_SMOOTHING = np.exp(-((np.arange(-5, 6) / 1.5) ** 2) / 2)
_WHITE_OVER_GREY = 1.45
"""The most that white and grey matter differ by on a T1, as a factor; measured: 1.2 to 1.35."""
_LEAST_MODE_OF_T1, _LEAST_MODE_OF_T2 = 0.25, 0.5
"""Over the largest mode. In averages of many heads grey matter of the T1 is the larger; on a T2 the two are alike."""


@dataclass(frozen=True)
class IntensityMapping:
    """A straight line from ``low`` -> 0 to ``high`` -> 1, clipped; ``note`` says what the user should know about it.

    With a ``knee`` (a value between the two, and its brightness) there are two lines, which meet in it.
    Where float32 cannot hold ``low`` and ``high`` apart it is a step: 0 up to ``low``, and 1 above.
    """

    low: float
    high: float
    note: str = ""
    knee: tuple[float, float] | None = None

    def in_own_values(self, volume: Volume) -> IntensityMapping:
        """The mapping of a volume's own values, from that of its voxels."""
        knee = self.knee and (volume.own_value(self.knee[0]), self.knee[1])
        return replace(self, low=volume.own_value(self.low), high=volume.own_value(self.high), knee=knee)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Map values of any shape and number type to float32 in [0, 1]."""
        if self.knee is not None:
            value, brightness = self.knee
            first, second = IntensityMapping(self.low, value), IntensityMapping(value, self.high)
            return np.float32(brightness) * first(values) + np.float32(1 - brightness) * second(values)
        voxels = np.asarray(values, np.float32)
        low, width = (np.float32(np.clip(value, -_WIDEST, _WIDEST)) for value in (self.low, self.high - self.low))
        if width < _NARROWEST:
            return (voxels > low).astype(np.float32)
        return np.clip((voxels - low) / width, 0, 1)


def find_mapping(volume: Volume, modality: Modality, window: Window | None = None) -> IntensityMapping:
    """Find the mapping of a volume's voxels, one for all its slices, that takes its background to 0.

    volume: checked (finite, not constant), on its own grid: resampling would add background that is not its own.
    modality: CT takes the default HU window of a head or a body, MR robust limits inside the foreground, PET and SPECT
        start at zero.
    window: in the volume's own values; when given, used as it is, whatever the modality. An RGB volume keeps its full
        range and ignores both.
    """
    within = within_float32(volume)
    mapping = mapping_of(Evidence(within), modality, window)
    return mapping.in_own_values(within) if within.is_rescaled and not volume.is_rescaled else mapping


def beside_mr(mapping: IntensityMapping, volume: Volume, *, is_t1: bool) -> IntensityMapping:
    """Return the mapping of one of two MR volumes, the T1 or the other, that shows white matter as all others do.

    White matter of a T1 lies at 0.4 of white in a head with bright scalp and at 0.9 in one without, that of a T2 at
    0.27 to 0.4 and that of a FLAIR at 0.7. No function of two values can treat them all alike, so each head is shown
    alike. In a body without a brain it is the tissue that there is most of.

    Args:
        mapping: of ``volume``, one line; one with a knee stays as it is.
        volume: the scalar MR.
        is_t1: whether it is the T1, or has the place of one.
    """
    grey = white_matter_grey(slices_view(volume.image, Plane.ACQUIRED), mapping, is_t1=is_t1)
    if is_t1:
        return tissue_at_level(mapping, grey, WHITE_MATTER_OF_T1)
    # Never brighter: in a neck the tissue that there is most of is muscle, and the cord would be as white as fluid.
    return tissue_at_level(mapping, grey, WHITE_MATTER_OF_T2) if grey > WHITE_MATTER_OF_T2 else mapping


def tissue_at_level(mapping: IntensityMapping, grey: float, level: float) -> IntensityMapping:
    """Return a mapping that takes to a level what ``mapping`` takes to a grey, and leaves black in place.

    White stays too, or gets darker where all that is brighter than the tissue is close to it, as on a FLAIR.

    Args:
        mapping: one line, without a knee.
        grey: from 0 to 1; 0 where there is no tissue, and the mapping stays as it is.
        level: the grey it comes to; tissue that is very dark stays darker, or its noise would be seen.
    """
    if grey <= 0 or mapping.knee is not None:
        return mapping
    factor = min(level / grey, _MOST_BRIGHTENED)
    width = mapping.high - mapping.low
    if factor <= 1:
        knee = mapping.low + width * grey
        return replace(mapping, knee=(knee, level), high=max(mapping.high, knee + width * (1 - level) / _STEEPEST))
    return replace(mapping, knee=(mapping.low + width * _TISSUE_KNEE / factor, _TISSUE_KNEE))


def white_matter_grey(slices: np.ndarray, mapping: IntensityMapping, *, is_t1: bool) -> float:
    """Return the grey that a mapping gives to white matter, from 0 to 1; 0 where no tissue is found.

    White matter is the largest part of a head that is even: it has the mode of the flattest places. Grey matter can
    have a mode of its own beside it, darker on a T1, brighter on a T2. Fat lies further off, and is seldom as even.

    Args:
        slices: (S, H, W), values of voxels.
        mapping: of those values.
        is_t1: whether white matter is brighter than grey matter.
    """
    counts = _counts_of_even_tissue(slices, mapping)
    most = int(counts.argmax())
    if counts[most] == 0:
        return 0.0
    inner = counts[1:-1]
    modes = 1 + np.flatnonzero((inner >= counts[:-2]) & (inner > counts[2:]))
    if is_t1:
        modes = modes[(modes <= most * _WHITE_OVER_GREY) & (counts[modes] >= _LEAST_MODE_OF_T1 * counts[most])]
        found = max(modes, default=most)
    else:
        modes = modes[(modes >= most / _WHITE_OVER_GREY) & (counts[modes] >= _LEAST_MODE_OF_T2 * counts[most])]
        found = min(modes, default=most)
    return (float(found) + 0.5) / _BINS


def _counts_of_even_tissue(slices: np.ndarray, mapping: IntensityMapping) -> np.ndarray:
    """A smooth histogram of the means of 3 x 3 pixels, those whose pixels differ least."""
    chosen = np.unique(np.linspace(0, len(slices) - 1, _SLICES_ENOUGH).round().astype(int))
    greys, spreads = [], []
    for one in chosen if min(slices.shape[1:]) >= _SQUARE else ():
        shown = mapping(slices[one])
        mean = _mean_of_square(shown)
        spread = np.sqrt(np.maximum(_mean_of_square(shown * shown) - mean * mean, 0))
        seen = (mean > _DARKEST_TISSUE) & (mean < _BRIGHTEST_TISSUE)
        greys.append(mean[seen])
        spreads.append(spread[seen])
    if not sum(map(len, greys)):
        return np.zeros(_BINS)
    spread = np.concatenate(spreads)
    even = np.concatenate(greys)[spread <= np.quantile(spread, _EVEN_SHARE)]
    return np.convolve(np.histogram(even, _BINS, (0, 1))[0], _SMOOTHING, mode="same")


def _mean_of_square(image: np.ndarray) -> np.ndarray:
    """(H, W) to (H - 2, W - 2)."""
    rows = image[:-2] + image[1:-1] + image[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(_SQUARE**2)


def mapping_of(evidence: Evidence, modality: Modality, window: Window | None) -> IntensityMapping:
    """Find the mapping of the voxels that the evidence describes; arguments as :func:`find_mapping` takes."""
    if evidence.volume.is_colour:
        return IntensityMapping(0.0, _full_scale(evidence.volume.image))
    if modality is Modality.CT:
        return _ct_mapping(evidence, window)
    if window is not None:
        return _windowed(evidence.volume, window)
    return IntensityMapping(*evidence.foreground) if modality is Modality.MR else _tracer_mapping(evidence)


def _windowed(volume: Volume, window: Window, note: str = "") -> IntensityMapping:
    return IntensityMapping(volume.voxel_value(window.low), volume.voxel_value(window.high), note)


def _ct_mapping(evidence: Evidence, window: Window | None) -> IntensityMapping:
    volume = evidence.volume
    if evidence.in_hounsfield:
        return _windowed(volume, window) if window is not None else _default_ct_mapping(evidence)
    if window is not None:
        note = f"'{volume.name}' does not look like a CT in Hounsfield units; the window was applied as asked."
        return _windowed(volume, window, note)
    shown = _as_a_head_would_be(volume, IntensityMapping(*evidence.foreground))
    note = (
        f"'{volume.name}' does not look like a CT in Hounsfield units, so no CT window fits it; "
        f"its own range {volume.own_value(shown.low):g} to {volume.own_value(shown.high):g} was used."
    )
    return replace(shown, note=note)


def _as_a_head_would_be(volume: Volume, plain: IntensityMapping) -> IntensityMapping:
    """Return two slopes for a CT of unknown scale: its tissue as dark, and its bone as white, as in a CT in HU.

    In its own range brain and bone lie close together at the bright end, and a fused volume shows them alike.
    """
    voxels = sitk.GetArrayViewFromImage(volume.image)
    shown = voxels[voxels > plain.low + _AIR_OF_A_CT * (plain.high - plain.low)]
    if not shown.size:
        return plain
    middle, white = (float(grey) for grey in np.quantile(shown, (0.5, _WHITE_OF_A_CT)))
    knee = plain.low + _ABOVE_TISSUE * (middle - plain.low)
    if not plain.low < knee < white <= plain.high:
        return plain
    return replace(plain, high=white, knee=(knee, _ABOVE_TISSUE * _TISSUE_OF_A_CT))


def _default_ct_mapping(evidence: Evidence) -> IntensityMapping:
    default = HEAD_CT if evidence.shows_a_head else BODY_CT
    black, knee, white = (evidence.volume.voxel_value(own) for own in (default.black, default.knee, default.white))
    return IntensityMapping(black, white, knee=(knee, default.brightness))


def _tracer_mapping(evidence: Evidence) -> IntensityMapping:
    """Uptake is an amount: zero stays zero, and the hottest voxels that are no noise spikes are white."""
    low, high = evidence.extremes
    zero = evidence.volume.voxel_value(0)
    if zero >= high or zero < low - _MOST_FLOOR * (high - low):
        where = "above" if zero >= high else "near"
        note = f"'{evidence.volume.name}' has no value {where} zero, so its own range was used."
        return IntensityMapping(low, high, note)
    return IntensityMapping(zero, evidence.share_above(zero, _WHITE_OF_TRACER / 100))


def check_contrast(evidence: Evidence, mapping: IntensityMapping) -> None:
    """Refuse a window that shows the whole volume in one grey: nothing of it would be seen in the result."""
    black, white = mapping(np.array(evidence.extremes))
    if white - black < _ONE_GREY:
        volume = evidence.volume
        low, high = (volume.own_value(value) for value in evidence.extremes)
        raise InputError(
            f"The window from {volume.own_value(mapping.low):g} to {volume.own_value(mapping.high):g} shows all of "
            f"'{volume.name}' in one grey; give one that fits its values, {low:g} to {high:g}."
        )


def _full_scale(image: sitk.Image) -> float:
    """The white of an RGB image: 255 for bytes; else 1, 255 or 65535, the first that holds its largest value."""
    if image.GetPixelID() == sitk.sitkVectorUInt8:
        return 255.0
    largest = float(sitk.GetArrayViewFromImage(image).max())
    return next((white for white in (1.0, 255.0, 65535.0) if largest <= white), largest)
