"""What kind of image a volume is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from CSAFusionLib.intensity.evidence import is_in_hounsfield, tracer_evidence
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
    """Guess the modality; see :func:`guess`."""
    return guess(volume).modality


def guess(volume: Volume) -> Guess:
    """Guess the modality from DICOM tag, sidecar or name, else from the voxels; MR when in doubt.

    CT: air and soft tissue at their Hounsfield values, which a plain file name does not outweigh. PET: a colour volume,
    or one whose blur, rim, range, field of view and noise together are a tracer's
    (:mod:`CSAFusionLib.intensity.evidence`). PET and SPECT look alike to this and are mapped alike: a SPECT that
    nothing names is called PET. A CT that is not in HU and a PET whose head was stripped of its scalp pass for MR.
    """
    named = _DICOM_MODALITY.get(volume.modality_hint or "")
    source = volume.acquisition.source
    if named is not None and source != _BY_FILE_NAME:
        return Guess(named, source or "DICOM header", Confidence.STATED)
    if volume.is_colour:
        return Guess(Modality.PET, _BY_VALUES, Confidence.UNSURE)
    if is_in_hounsfield(volume):
        return Guess(Modality.CT, _BY_VALUES, Confidence.LIKELY)
    if named is not None:
        return Guess(named, source, Confidence.LIKELY)
    evidence = tracer_evidence(within_float32(volume))
    confidence = Confidence.LIKELY if abs(evidence) >= _OPEN else Confidence.UNSURE
    return Guess(Modality.PET if evidence > 0 else Modality.MR, _BY_VALUES, confidence)
