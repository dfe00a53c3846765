"""The choices in the panel's menus; their names are saved with the scene, their values are (title, tooltip).

Slicer loads this file at start-up, so it imports nothing that takes time.
"""

from __future__ import annotations

from enum import Enum

from slicer.i18n import tr as _


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
    """The modality of a volume, or that it is guessed; the names are those of the backend's modalities."""

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
    """The colours in which a scalar PET or SPECT is fused; the other names are those of the backend's colour tables."""

    GREY = (_("Grey"), _("In grey, as every other volume."))
    HOT_IRON = (_("Hot iron"), _("From black over red and orange to white."))
    DICOM_PET = (_("PET"), _("From black over green-blue, violet and orange to white (DICOM's PET)."))
    HOT = (_("Hot"), _("From black over red and yellow to white."))
    VIRIDIS = (_("Viridis"), _("From violet over green to yellow; even to the eye, also of the colour-blind."))
    INFERNO = (_("Inferno"), _("From black over violet and orange to yellow; even to the eye."))
    ICE = (_("Ice"), _("From black over blue and cyan to white."))
    RAINBOW = (_("Rainbow"), _("From black over blue, green and yellow to red."))


class StyleChoice(MenuChoice):
    """How two aligned volumes are combined; the names are those of the backend's styles that have the fixed grid."""

    FUSED = (_("Fused by the network"), _("One volume that keeps the detail of both."))
    OVERLAY = (_("Plain overlay"), _("One volume in colour over the other, as an RGB volume; no network."))
    TWO_COLOUR = (
        _("Two colours"),
        _("An RGB volume: orange the reference, blue the other, grey both alike; no network."),
    )


class WeightsChoice(MenuChoice):
    """The weights of the network; the other names are those of the bundled weights."""

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


class BatchSource(MenuChoice):
    """Where the pairs of a batch come from."""

    SCENE = (_("The scene"), _("Volumes A and B, added pair by pair."))
    FOLDERS = (_("Two folders"), _("Volumes of one name in two folders are a pair."))
    TABLE = (_("A table"), _("A CSV or TSV file with the columns fixed and moving, and any setting that differs."))
    DICOM = (_("DICOM studies"), _("Two series of each patient in Slicer's DICOM database."))


class SeriesModality(MenuChoice):
    """The modality of the series that is taken of each patient; the names are DICOM's."""

    MR = (_("MR"), _("The MR series with the most images."))
    CT = (_("CT"), _("The CT series with the most images."))
    PT = (_("PET"), _("The PET series with the most images."))
    NM = (_("SPECT"), _("The series of nuclear medicine with the most images."))


def backend_name(choice: MenuChoice) -> str:
    """A choice as the backend spells it: ``SOFT_TISSUE`` is ``soft-tissue``."""
    return choice.name.lower().replace("_", "-")
