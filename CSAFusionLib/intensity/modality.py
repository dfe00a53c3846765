"""What kind of image a volume is."""

from __future__ import annotations

from enum import Enum

import SimpleITK as sitk

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


_DICOM_TAGS = {"CT": Modality.CT, "MR": Modality.MR, "PT": Modality.PET, "NM": Modality.SPECT}


def guess_modality(volume: Volume) -> Modality:
    """Guess the modality from the DICOM tag, else from the voxel values; the user may know better."""
    if volume.modality_hint in _DICOM_TAGS:
        return _DICOM_TAGS[volume.modality_hint]
    if volume.is_colour:
        return Modality.PET
    if sitk.GetArrayViewFromImage(volume.image).min() < -500:
        return Modality.CT
    return Modality.MR
