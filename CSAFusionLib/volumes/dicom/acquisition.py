"""What the headers of a DICOM series say of how it was acquired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from CSAFusionLib.volumes.acquisition import Acquisition
from CSAFusionLib.volumes.dicom.elements import HeaderError, item_of, number_of, text_of
from CSAFusionLib.volumes.dicom.files import read_header
from CSAFusionLib.volumes.dicom.uptake import uptake_of
from CSAFusionLib.volumes.mr_contrast import contrast_of_names, contrast_of_times

if TYPE_CHECKING:
    from pydicom import Dataset

_KNOWN = ("CT", "MR", "PT", "NM")


def acquisition_of(files: Sequence[Path], modality: str) -> Acquisition:
    """Return what the headers of one series say; its files, and the Modality of the first."""
    source = "DICOM header" if modality in _KNOWN else ""
    if modality == "MR":
        return Acquisition(source=source, contrast=contrast_of_header(read_header(files[0])))
    if modality == "PT":
        headers = [read_header(file) for file in files]
        return replace(uptake_of(min(headers, key=_acquired)), source=source)
    return Acquisition(source=source)


def contrast_of_header(dataset: Dataset) -> str:
    """Return the contrast of an MR from its header, "" where nothing tells it."""
    agent = bool(text_of(dataset, "ContrastBolusAgent")) or item_of(dataset, "ContrastBolusAgentSequence") is not None
    names = [text_of(dataset, keyword) for keyword in ("SeriesDescription", "ProtocolName", "SequenceName")]
    if "DIFFUSION" in text_of(dataset, "ImageType").upper() or "ADC" in text_of(dataset, "ImageType").upper():
        return "DWI"
    return contrast_of_names(names, agent=agent) or contrast_of_times(
        *(_time(dataset, keyword) for keyword in ("EchoTime", "RepetitionTime", "InversionTime")), agent=agent
    )


def _time(dataset: Dataset, keyword: str) -> float | None:
    try:
        return number_of(dataset, keyword)
    except HeaderError:
        return None


def _acquired(dataset: Dataset) -> str:
    return text_of(dataset, "AcquisitionDate") + text_of(dataset, "AcquisitionTime")
