"""The unit in which a volume's values are told and its windows given: HU, SUV, or the volume's own."""

from __future__ import annotations

from CSAFusionLib.intensity.evidence import is_in_hounsfield
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.intensity.windows import Window
from CSAFusionLib.volumes.volume import Volume

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
    """Return a window, given in the unit in which values are told, in the volume's own values."""
    factor = display_factor(volume, modality)
    return window if window is None or factor == 1 else Window(window.level / factor, window.width / factor)


def _has_suv(volume: Volume, modality: Modality) -> bool:
    return modality is Modality.PET and volume.acquisition.suv > 0
