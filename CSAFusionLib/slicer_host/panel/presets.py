"""The usual pairs of volumes, with one choice for all of their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.slicer_host.panel.choices import ColourChoice, Intensities, ModalityChoice, PlaneChoice, WeightsChoice

SMOOTHING_MM = FusionSettings().through_slice_smoothing
"""The through-slice smoothing that is usual."""


@dataclass(frozen=True)
class Preset:
    """What volume A and volume B are, and through which colour table the functional one is shown."""

    title: str
    tooltip: str
    modality_a: ModalityChoice
    modality_b: ModalityChoice
    colour: ColourChoice = ColourChoice.GREY


PRESETS = (
    Preset(
        _("A is CT, B is MR"),
        _("CT with MR, in grey, with a window that shows brain and skull."),
        ModalityChoice.CT,
        ModalityChoice.MR,
    ),
    Preset(
        _("A is MR, B is PET"),
        _("MR with PET in colour."),
        ModalityChoice.MR,
        ModalityChoice.PET,
        ColourChoice.HOT_IRON,
    ),
    Preset(
        _("A is MR, B is SPECT"),
        _("MR with SPECT in colour."),
        ModalityChoice.MR,
        ModalityChoice.SPECT,
        ColourChoice.HOT_IRON,
    ),
    Preset(_("A is T1, B is T2"), _("Two weightings of MR, in grey."), ModalityChoice.MR, ModalityChoice.MR),
)  # fmt: skip


def preset_of(parameters: Any) -> Preset | None:
    """The preset that a parameter node is set to, or None."""
    automatic = (parameters.intensitiesA, parameters.intensitiesB) == (Intensities.AUTOMATIC,) * 2
    usual = parameters.weights is WeightsChoice.AUTOMATIC and parameters.plane is PlaneChoice.AUTO
    if not automatic or not usual or parameters.balance or parameters.throughSliceSmoothing != SMOOTHING_MM:
        return None
    chosen = (parameters.modalityA, parameters.modalityB, parameters.colourTable)
    return next((one for one in PRESETS if chosen == (one.modality_a, one.modality_b, one.colour)), None)


def apply_preset(preset: Preset, parameters: Any) -> None:
    """Set a parameter node to a preset; the chosen nodes, region, registration and device stay."""
    parameters.modalityA, parameters.modalityB = preset.modality_a, preset.modality_b
    parameters.intensitiesA = parameters.intensitiesB = Intensities.AUTOMATIC
    parameters.colourTable = preset.colour
    parameters.weights = WeightsChoice.AUTOMATIC
    parameters.balance = 0.0
    parameters.throughSliceSmoothing = SMOOTHING_MM
    parameters.plane = PlaneChoice.AUTO
