"""Map the intensities of a volume to [0, 1], once for the whole volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.windows import CT_WINDOWS, Window
from CSAFusionLib.volumes.volume import Volume

DEFAULT_CT_WINDOW = "skull-and-brain"


@dataclass(frozen=True)
class IntensityMapping:
    """A straight line from ``low`` -> 0 to ``high`` -> 1, clipped; ``note`` says what the user should know of it."""

    low: float
    high: float
    note: str = ""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Map values of any shape to float32 in [0, 1]."""
        unit = (np.asarray(values, np.float32) - np.float32(self.low)) / np.float32(self.high - self.low)
        return np.clip(unit, 0, 1)


def find_mapping(volume: Volume, modality: Modality, window: Window | None = None) -> IntensityMapping:
    """Find the mapping for a whole volume of a modality.

    window: when given, used as it is, whatever the modality.
    """
    if window is not None:
        return IntensityMapping(window.low, window.high)
    if volume.is_colour:
        return IntensityMapping(0, 255)
    if modality is Modality.CT:
        preset = CT_WINDOWS[DEFAULT_CT_WINDOW]
        return IntensityMapping(preset.low, preset.high)
    voxels = sitk.GetArrayViewFromImage(volume.image)
    return IntensityMapping(0, float(np.percentile(voxels[voxels > 0], 99.5)))
