"""Map the intensities of a volume to [0, 1], once for the whole volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.intensity.hounsfield import is_in_hounsfield
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.windows import CT_WINDOWS, DEFAULT_CT_WINDOW, Window
from CSAFusionLib.volumes.volume import Volume

# Single voxels beyond these percentiles (spikes, wrap-around, interpolation overshoot) have no say.
_ROBUST = (0.5, 99.9)
_WHITE = 99.5
# The bulk of the tissue is not to be darker than a third, whatever bright fat or fluid does above it.
_WHITE_OVER_MEDIAN = 3.0
# Noise in air is cut off, but where the field of view holds no air the darkest class is tissue: then cut this at most.
_MOST_CUT = 0.05
_WHITE_OF_TRACER = 99.9


@dataclass(frozen=True)
class IntensityMapping:
    """A straight line from ``low`` -> 0 to ``high`` -> 1, clipped; ``note`` says what the user should know of it."""

    low: float
    high: float
    note: str = ""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Map values of any shape and number type to float32 in [0, 1]."""
        unit = (np.asarray(values, np.float32) - np.float32(self.low)) / np.float32(self.high - self.low)
        return np.clip(unit, 0, 1)


def find_mapping(volume: Volume, modality: Modality, window: Window | None = None) -> IntensityMapping:
    """Find the mapping of a volume, one for all its slices, that takes its background to 0.

    volume: checked (finite, not constant), on its own grid: resampling would add background that is not its own.
    modality: CT takes the default HU window, MR robust limits inside the foreground, PET and SPECT start at zero.
    window: when given, used as it is, whatever the modality. An RGB volume keeps its full range and ignores both.
    """
    if volume.is_colour:
        return IntensityMapping(0.0, _full_scale(volume.image))
    if modality is Modality.CT:
        return _ct_mapping(volume, window)
    if window is not None:
        return IntensityMapping(window.low, window.high)
    if modality is Modality.MR:
        return IntensityMapping(*_foreground_limits(volume.image))
    return _tracer_mapping(volume)


def _ct_mapping(volume: Volume, window: Window | None) -> IntensityMapping:
    chosen = window or CT_WINDOWS[DEFAULT_CT_WINDOW]
    if is_in_hounsfield(volume):
        return IntensityMapping(chosen.low, chosen.high)
    if window is not None:
        note = f"'{volume.name}' does not look like a CT in Hounsfield units; the window was applied as asked."
        return IntensityMapping(window.low, window.high, note)
    low, high = _foreground_limits(volume.image)
    note = (
        f"'{volume.name}' does not look like a CT in Hounsfield units, so no CT window fits it; "
        f"its own range {low:g} to {high:g} was used."
    )
    return IntensityMapping(low, high, note)


def _tracer_mapping(volume: Volume) -> IntensityMapping:
    """Uptake is an amount: zero stays zero, and the hottest voxels that are no noise spikes are white."""
    voxels = sitk.GetArrayViewFromImage(volume.image)
    uptake = voxels[voxels > 0]
    if not uptake.size:
        note = f"'{volume.name}' has no value above zero, so its own range was used."
        return IntensityMapping(float(voxels.min()), float(voxels.max()), note)
    return IntensityMapping(0.0, float(np.percentile(uptake, _WHITE_OF_TRACER)))


def _foreground_limits(image: sitk.Image) -> tuple[float, float]:
    """Black and white of an image with no physical scale: the end of the noise in air, the bright end of the tissue."""
    voxels = sitk.GetArrayViewFromImage(image)
    floor, top = (float(value) for value in np.percentile(voxels, _ROBUST))
    if floor == top:
        return float(voxels.min()), float(voxels.max())
    # Otsu's threshold parts bright tissue from the rest; half of it parts tissue from no signal.
    split = (floor + _otsu(image, floor, top)) / 2
    tissue, dark = voxels[voxels > split], voxels[voxels <= split]
    white = min(np.percentile(tissue, _WHITE), floor + _WHITE_OVER_MEDIAN * (np.median(tissue) - floor))
    level = np.median(dark)
    spread = 3 * 1.4826 * np.median(np.abs(dark - level))
    darkest = max(floor, level - spread)
    return float(min(level + spread, darkest + _MOST_CUT * (white - darkest))), float(white)


def _otsu(image: sitk.Image, low: float, high: float) -> float:
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.Clamp(image, sitk.sitkFloat32, low, high))
    return float(otsu.GetThreshold())


def _full_scale(image: sitk.Image) -> float:
    """The white of an RGB image: 255 for bytes; else 1, 255 or 65535, the first that holds its largest value."""
    if image.GetPixelID() == sitk.sitkVectorUInt8:
        return 255.0
    largest = float(sitk.GetArrayViewFromImage(image).max())
    return next((white for white in (1.0, 255.0, 65535.0) if largest <= white), largest)
