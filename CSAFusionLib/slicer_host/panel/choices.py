"""What can be chosen in the panel's menus; the names are saved with the scene, the values are (title, tooltip).

Loaded when Slicer starts, so it imports nothing that takes time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from slicer.i18n import tr as _

from CSAFusionLib.fusion.settings import FusionSettings


class MenuChoice(Enum):
    """A choice of a menu; each value is (title, tooltip)."""

    @property
    def title(self) -> str:
        """The name a menu shows."""
        return self.value[0]

    @property
    def tooltip(self) -> str:
        """One sentence that helps to choose."""
        return self.value[1]

    def label(self) -> str:
        """The title, under the name by which Slicer asks for it when it fills a menu."""
        return self.title


class ModalityChoice(MenuChoice):
    """What kind of image a volume is, or that it is guessed; the names are those of the backend's modalities."""

    AUTOMATIC = (_("Automatic"), _("Guessed from the DICOM header or from the values of the voxels."))
    CT = (_("CT"), _("Computed tomography, in Hounsfield units."))
    MR = (_("MR"), _("Magnetic resonance, of any weighting."))
    PET = (_("PET"), _("Positron emission tomography, in any unit that starts at zero."))
    SPECT = (_("SPECT"), _("Single photon emission tomography, in any unit that starts at zero."))


class Intensities(MenuChoice):
    """Which intensities of a volume go from black to white; the other names are those of the backend's CT windows."""

    AUTOMATIC = (_("Automatic"), _("MR: percentiles of the tissue; PET and SPECT: from zero; CT: a window in HU."))
    DISPLAYED = (_("As displayed"), _("The window and level of the slice views: drag in them to change it."))
    GIVEN = (_("Level and width"), _("The two numbers below."))
    SKULL_AND_BRAIN = (_("CT skull and brain"), _("-50 to 250 HU."))
    BRAIN = (_("CT brain"), _("0 to 80 HU."))
    STROKE = (_("CT stroke"), _("15 to 55 HU."))
    SUBDURAL = (_("CT subdural"), _("-32 to 182 HU."))
    SOFT_TISSUE = (_("CT soft tissue"), _("-150 to 250 HU."))
    ABDOMEN = (_("CT abdomen"), _("-140 to 260 HU."))
    LUNG = (_("CT lung"), _("-1350 to 150 HU."))
    BONE = (_("CT bone"), _("-800 to 2000 HU."))
    WIDE = (_("CT wide"), _("-1000 to 2000 HU."))


class Reference(MenuChoice):
    """Which volume's grid the result gets."""

    FINER = (_("The finer grid"), _("The volume with the smaller voxels, so that no detail is lost."))
    A = (_("Volume A"), _("The result gets the grid of volume A; volume B is resampled."))
    B = (_("Volume B"), _("The result gets the grid of volume B; volume A is resampled."))


class ColourChoice(MenuChoice):
    """How a scalar PET or SPECT is fused; the other names are those of the backend's colour tables."""

    GREY = (_("Grey"), _("In grey, as every other volume."))
    HOT_IRON = (_("Hot iron"), _("From black over red and orange to white."))
    ICE = (_("Ice"), _("From black over blue and cyan to white."))
    RAINBOW = (_("Rainbow"), _("From black over blue, green and yellow to red."))


class WeightsChoice(MenuChoice):
    """Which weights the network gets; the other names are those of the bundled weights."""

    AUTOMATIC = (_("Automatic"), _("The weights that fit the two modalities."))
    CT_MR = (_("CT and MR"), _("Trained on pairs of CT and MR."))
    PET_MR = (_("PET and MR"), _("Trained on pairs of PET, SPECT and CT with MR; keeps most of the MR's detail."))
    SPECT_MR = (_("SPECT and MR"), _("Chosen on pairs of SPECT and MR; keeps more of the SPECT's contrast."))
    T1_T2 = (_("MR and MR"), _("Trained on pairs of T1 and T2."))
    FILE = (_("A file of mine"), _("Weights that you have trained (.safetensors)."))


class PlaneChoice(MenuChoice):
    """The plane of the slices that are fused; the names are those of the backend's planes."""

    AUTO = (_("Automatic"), _("As acquired where the reference has thick slices, otherwise axial."))
    AXIAL = (_("Axial"), _("The plane of the pictures the network was trained on."))
    SAGITTAL = (_("Sagittal"), _("For volumes that show most detail in sagittal slices."))
    CORONAL = (_("Coronal"), _("For volumes that show most detail in coronal slices."))
    ACQUIRED = (_("As acquired"), _("Across the thickest side of the reference's voxels."))


def backend_name(choice: MenuChoice) -> str:
    """A choice as the backend spells it: ``SOFT_TISSUE`` is ``soft-tissue``."""
    return choice.name.lower().replace("_", "-")


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
    """Set a parameter node to a preset; what was chosen of nodes, region, registration and device stays."""
    parameters.modalityA, parameters.modalityB = preset.modality_a, preset.modality_b
    parameters.intensitiesA = parameters.intensitiesB = Intensities.AUTOMATIC
    parameters.colourTable = preset.colour
    parameters.weights = WeightsChoice.AUTOMATIC
    parameters.balance = 0.0
    parameters.throughSliceSmoothing = SMOOTHING_MM
    parameters.plane = PlaneChoice.AUTO
