"""DICOM objects written with pydicom: series of slices, multi-frame files, nuclear medicine and doses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.2.1125.88."
STORAGE = "1.2.840.10008.5.1.4.1.1."
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
PLACES = ((-20.0, -30.0, 5.0), (-20.0, -30.0, 8.0), (-20.0, -30.0, 11.0), (-20.0, -30.0, 14.0))
Changed = Callable[[int, Dataset], object]


def item(**elements: Any) -> Dataset:
    """A dataset of some elements, as an item of a sequence."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def stored(slices: int = 4) -> np.ndarray:
    """Stored values that tell slices, rows and columns apart, (S, 6, 8) uint16."""
    return np.arange(slices * 48, dtype=np.uint16).reshape(slices, 6, 8) * 7 + 11


def image(sop_class: str, modality: str, size: Sequence[int], number: int, **elements: Any) -> Dataset:
    """A dataset with what every image has, but its pixels."""
    dataset = item(
        SOPClassUID=STORAGE + sop_class,
        SOPInstanceUID=f"{ROOT}2.{number}",
        StudyInstanceUID=ROOT + "3",
        SeriesInstanceUID=ROOT + "4",
        Modality=modality,
        SeriesDescription="a series",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        InstanceNumber=number,
        Rows=size[0],
        Columns=size[1],
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=0,
    )
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def put_pixels(dataset: Dataset, values: np.ndarray) -> None:
    """Give a dataset its voxels."""
    dataset.PixelData = np.ascontiguousarray(values).tobytes()
    dataset["PixelData"].VR = "OW"


def save(dataset: Dataset, path: Path) -> Path:
    """Write a dataset, with the folder it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def _unchanged(number: int, dataset: Dataset) -> None:
    pass


def write_classic(
    folder: Path,
    values: np.ndarray | None = None,
    *,
    positions: Sequence[Sequence[float]] = PLACES,
    orientation: Sequence[float] = AXIAL,
    change: Changed = _unchanged,
    sop_class: str = "2",
    modality: str = "CT",
    name: str = "a",
    **elements: Any,
) -> Path:
    """Write a series of one file a slice to a folder, which is returned."""
    values = stored(len(positions)) if values is None else values
    for number, (plane, position) in enumerate(zip(values, positions, strict=True)):
        place = {"ImagePositionPatient": list(position), "ImageOrientationPatient": list(orientation)}
        place |= {"PixelSpacing": [0.5, 0.75], "SliceThickness": 3}
        dataset = image(sop_class, modality, plane.shape, ord(name[0]) * 1000 + number, **(place | elements))
        put_pixels(dataset, plane)
        change(number, dataset)
        save(dataset, folder / f"{name}{number:03}.dcm")
    return folder


def write_enhanced(
    path: Path,
    values: np.ndarray | None = None,
    *,
    positions: Sequence[Sequence[float]] = PLACES,
    change: Changed = _unchanged,
    change_file: Callable[[Dataset], object] = lambda dataset: None,
    sop_class: str = "4.1",
    modality: str = "MR",
    **elements: Any,
) -> Path:
    """Write a multi-frame file with functional groups; returns its path."""
    values = stored(len(positions)) if values is None else values
    dataset = image(sop_class, modality, values.shape[1:3], 1, NumberOfFrames=len(values), **elements)
    measures = item(PixelSpacing=[0.5, 0.75], SliceThickness=3)
    turn = item(ImageOrientationPatient=list(AXIAL))
    dataset.SharedFunctionalGroupsSequence = [item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[turn])]
    groups = [item(PlanePositionSequence=[item(ImagePositionPatient=list(position))]) for position in positions]
    for number, group in enumerate(groups):
        group.FrameContentSequence = [item(StackID="1")]
        change(number, group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    put_pixels(dataset, values)
    change_file(dataset)
    return save(dataset, path)


def write_nuclear(path: Path, values: np.ndarray | None = None, **elements: Any) -> Path:
    """Write a reconstructed nuclear medicine file; returns its path. None leaves an element out."""
    values = stored() if values is None else values
    reconstructed = {
        "ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
        "PixelSpacing": [4.4, 4.4],
        "SliceThickness": 4.4,
        "FrameIncrementPointer": 0x00540080,
        "SliceVector": list(range(1, len(values) + 1)),
        "DetectorInformationSequence": [item(ImagePositionPatient=[-10, -20, 30], ImageOrientationPatient=list(AXIAL))],
    }
    elements = {keyword: value for keyword, value in (reconstructed | elements).items() if value is not None}
    dataset = image("20", "NM", values.shape[1:], 1, NumberOfFrames=len(values), **elements)
    put_pixels(dataset, values)
    return save(dataset, path)
