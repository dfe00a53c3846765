"""Find the DICOM files of a folder and what each is, without reading its voxels."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.elements import HeaderError, Kind, kind_of, number_of, text_of

if TYPE_CHECKING:
    from pydicom import Dataset

_INDEX_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality", "SeriesDescription", "ImageType",
    "NumberOfFrames", "ConcatenationUID", "Rows",
]  # fmt: skip
# A header without the 128 bytes in front begins with the file's meta information or with group 8.
_BARE_BEGINNINGS = tuple(
    bytes(group) + bytes(element)
    for group, elements in (((2, 0), ((0, 0), (1, 0), (2, 0))), ((8, 0), ((0, 0), (1, 0), (5, 0), (8, 0), (22, 0))))
    for element in elements
)
# Values longer than this, as private headers of a scanner are, are read only when they are asked for.
_LONG_VALUE = 4096
# What pydicom 3 raises, as its own fuzzing and ours show, for a file whose bytes make no DICOM.
_UNREADABLE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, NotImplementedError, OSError,
    RecursionError, TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class DicomFile:
    """One file of a folder and what its header says it is."""

    path: Path
    kind: Kind
    sop_class: str
    instance: str
    series: str
    modality: str
    description: str
    frames: int
    concatenation: str


def is_dicom(path: Path) -> bool:
    """Tell whether a path is a file that begins as DICOM does, with or without the 128 bytes in front."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return False
    return head[128:] == b"DICM" or head.startswith(_BARE_BEGINNINGS)


def holds_dicom(folder: Path) -> bool:
    """Tell whether a folder, or a folder inside it, holds a DICOM file."""
    return any(is_dicom(path) for path in _walk(folder))


def find_dicom(folder: Path, *, below: bool = True) -> list[DicomFile]:
    """Return the DICOM files of a folder and, unless told not to, the folders inside it, in the order of their paths.

    Files that are no DICOM are passed over; so are those that are too damaged to say which series they belong to.
    """
    found = []
    for path in _walk(folder) if below else sorted(folder.iterdir()):
        if is_dicom(path):
            try:
                found.append(describe_file(path))
            except InputError:
                continue
    return found


def describe_file(path: Path) -> DicomFile:
    """Return what a DICOM file is; InputError where its header cannot be read."""
    with readable(path):
        dataset = _read(path, stop_before_pixels=True, specific_tags=_INDEX_TAGS)
        sop_class = text_of(dataset, "SOPClassUID") or text_of(dataset.file_meta, "MediaStorageSOPClassUID")
        return DicomFile(
            path=path,
            kind=kind_of(sop_class, text_of(dataset, "ImageType").upper()) if dataset.get("Rows") else Kind.NO_IMAGE,
            sop_class=sop_class,
            instance=text_of(dataset, "SOPInstanceUID"),
            series=text_of(dataset, "SeriesInstanceUID"),
            modality=text_of(dataset, "Modality"),
            description=text_of(dataset, "SeriesDescription"),
            frames=int(number_of(dataset, "NumberOfFrames") or 1),
            concatenation=text_of(dataset, "ConcatenationUID"),
        )


def read_header(path: Path) -> Dataset:
    """Return everything but the voxels; InputError where it cannot be read."""
    with readable(path):
        return _read(path, stop_before_pixels=True, defer_size=_LONG_VALUE)


def read_whole(path: Path) -> Dataset:
    """Return the file with its voxels; InputError where it cannot be read."""
    with readable(path):
        return _read(path)


def listed_by_directory(path: Path) -> list[DicomFile]:
    """Return the files that a DICOMDIR lists and that are there; InputError where it cannot be read."""
    from CSAFusionLib.volumes.dicom.elements import items_of

    with readable(path):
        names = [record.get("ReferencedFileID") for record in items_of(_read(path), "DirectoryRecordSequence")]
        parts = [[name] if isinstance(name, str) else list(name) for name in names if name]
    # A directory lists what lies beside or below it; a path that leads elsewhere is not followed.
    paths = [path.parent.joinpath(*one) for one in parts if not {"..", "/", ""} & set(one)]
    return [describe_file(one) for one in sorted(set(paths)) if is_dicom(one)]


@contextmanager
def called(path: Path) -> Iterator[None]:
    """Turn a HeaderError inside the block into an InputError that names the path."""
    try:
        yield
    except HeaderError as error:
        raise InputError(f"'{printable_path(path)}' {error}.") from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever a malformed file raises inside the block into an InputError of one sentence."""
    from pydicom.config import disable_value_validation
    from pydicom.errors import BytesLengthException

    with called(path), warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        try:
            yield
        except (InputError, HeaderError):
            raise
        except (*_UNREADABLE, BytesLengthException) as error:
            raise InputError(
                f"'{printable_path(path)}' is a DICOM file that cannot be read; copy or export it again."
            ) from error


def printable_path(path: Path) -> str:
    """Return a path fit for a sentence, without control characters."""
    return "".join(one if one.isprintable() else "?" for one in str(path))


def _read(path: Path, **options: Any) -> Dataset:
    from pydicom import dcmread
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    dataset = dcmread(path, force=True, **options)
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and below, by name; links to folders are not followed, so that no loop is walked."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(files))
