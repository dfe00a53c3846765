"""What kind of image a volume is, as its header, its name or its values say.

Of two MR volumes, the T2 is the one in which most tissue is dark and fluid bright.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from CSAFusionLib.intensity.evidence import Distribution, Evidence
from CSAFusionLib.intensity.voxel_values import within_float32
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
    """Guess the modality of any valid volume; see :func:`guess`."""
    return guess(Evidence(within_float32(volume))).modality


def guess(evidence: Evidence) -> Guess:
    """Guess the modality from DICOM tag, sidecar or name, else from the voxels; MR when in doubt.

    Air and soft tissue at their Hounsfield values make a CT, whatever a plain file name says. A colour volume is a PET,
    and so is one whose blur, rim, range, field of view and noise together suggest a tracer. PET and SPECT cannot be
    distinguished in this way and are mapped alike: a SPECT that nothing names is called PET. A CT that is not in HU,
    and a PET of a head without its scalp, are taken for MR.
    """
    volume = evidence.volume
    named = _DICOM_MODALITY.get(volume.modality_hint or "")
    source = volume.acquisition.source
    if named is not None and source != _BY_FILE_NAME:
        return Guess(named, source or "DICOM header", Confidence.STATED)
    if volume.is_colour:
        return Guess(Modality.PET, _BY_VALUES, Confidence.UNSURE)
    if evidence.in_hounsfield:
        return Guess(Modality.CT, _BY_VALUES, Confidence.LIKELY)
    if named is not None:
        return Guess(named, source, Confidence.LIKELY)
    confidence = Confidence.LIKELY if abs(evidence.tracer) >= _OPEN else Confidence.UNSURE
    return Guess(Modality.PET if evidence.tracer > 0 else Modality.MR, _BY_VALUES, confidence)


_BINS = 1024
_BACKGROUND = 0.05
_MARGIN = 0.05
"""Measured, T2 less T1 of one patient: 0.12 to 0.46 on seven heads and a neck; 0.0 on averages of many people."""

Quartiles = tuple[float, float, float]


def grey_quartiles(slices: Iterable[np.ndarray]) -> Quartiles:
    """Return the three quartiles of the grey values above the background; zeros where there are none.

    Args:
        slices: values in [0, 1], of any shape, one after the other.
    """
    return _quartiles(sum((np.histogram(one, _BINS, (0, 1))[0] for one in slices), np.zeros(_BINS, np.int64)))


def shown_quartiles(voxels: np.ndarray, shown: Callable[[np.ndarray], np.ndarray]) -> Quartiles:
    """Return :func:`grey_quartiles` of the voxels (Z, Y, X) of a volume as a mapping shows them, in [0, 1]."""
    if voxels.dtype.kind not in "iu" or voxels.dtype.itemsize > 2:
        # One slab after the other: a whole mapped copy would not fit beside the rest.
        return grey_quartiles(map(shown, voxels))
    levels = Distribution.of(voxels)
    return _quartiles(np.histogram(shown(levels.values), _BINS, (0, 1), weights=levels.counts)[0])


def _quartiles(counts: np.ndarray) -> Quartiles:
    counts[: round(_BACKGROUND * _BINS)] = 0
    if not counts.any():
        return 0.0, 0.0, 0.0
    low, middle, high = np.searchsorted(np.cumsum(counts) / counts.sum(), (0.25, 0.5, 0.75)) / _BINS
    return float(low), float(middle), float(high)


def quartile_skewness(quartiles: Quartiles) -> float:
    """Return Bowley's skewness, -1 to 1; 0 where the quartiles are one.

    It depends on the three quartiles alone, so bright fat in the scalp, which both kinds show, does not count.
    """
    low, middle, high = quartiles
    return (high + low - 2 * middle) / (high - low) if high > low else 0.0


def is_t2_beside(quartiles: Quartiles, other: Quartiles) -> bool:
    """Whether a volume is the T2 and the other the T1, by their :func:`grey_quartiles`; False when in doubt."""
    return quartile_skewness(quartiles) > quartile_skewness(other) + _MARGIN
