"""What kind of image a volume is."""

from __future__ import annotations

from enum import Enum

from CSAFusionLib.intensity.blur import edge_width_mm, rim_to_depth
from CSAFusionLib.intensity.hounsfield import is_in_hounsfield
from CSAFusionLib.intensity.numeric_range import within_float32
from CSAFusionLib.volumes.volume import Volume


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


_DICOM_MODALITY = {"CT": Modality.CT, "MR": Modality.MR, "PT": Modality.PET, "NM": Modality.SPECT}

# Measured (edge width in mm, rim to depth): native MR 1.5 to 3.5 (4.3 with 2.4 mm voxels) and 0.76 to 1.12, with or
# without the scalp; MR averaged over many people 7 to 14 and 0.57 to 0.73; PET and SPECT of heads 4.8 to 16 and 0.35 to
# 0.38.
_FUNCTIONAL_EDGE_MM = 4.0
_FUNCTIONAL_RIM = 0.5


def guess_modality(volume: Volume) -> Modality:
    """Guess the modality from the DICOM tag, else from the voxels; MR when in doubt. The user's word comes first.

    CT: air and soft tissue at their Hounsfield values. PET: a colour volume, or one that has no sharp edge and is dim
    where skull and scalp are. PET and SPECT look alike to this and are mapped alike: a SPECT without a DICOM tag is
    called PET. A CT that is not in HU, a PET whose head was stripped of its scalp and a whole-body PET pass for MR.
    """
    if volume.modality_hint in _DICOM_MODALITY:
        return _DICOM_MODALITY[volume.modality_hint]
    if volume.is_colour:
        return Modality.PET
    if is_in_hounsfield(volume):
        return Modality.CT
    within = within_float32(volume)
    if edge_width_mm(within) > _FUNCTIONAL_EDGE_MM and rim_to_depth(within) < _FUNCTIONAL_RIM:
        return Modality.PET
    return Modality.MR
