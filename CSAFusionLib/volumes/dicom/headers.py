"""The DICOM files of a folder, what kind of object each is, and the elements of their headers; voxels are not read."""

from __future__ import annotations

import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from CSAFusionLib.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset


_TEXT_SHOWN = 40
_LONGEST_TEXT = 64


class HeaderError(ValueError):
    """A fault of a file, worded to follow its name, without the full stop."""


def printable(text: object) -> str:
    """Return text of a header fit for a sentence: no control characters, single spaces, 64 characters at most."""
    shown = " ".join("".join(one if one.isprintable() else " " for one in str(text)).split())
    return shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 3] + "..."


def text_of(dataset: Dataset, keyword: str) -> str:
    """Return an element as printable text, several values with backslashes between them; '' where it is missing."""
    value = dataset.get(keyword)
    if value is None:
        return ""
    several = not isinstance(value, str | bytes) and hasattr(value, "__iter__")
    return printable("\\".join(str(one) for one in value) if several else value)


def numbers_of(dataset: Dataset, keyword: str, count: int | None = None) -> tuple[float, ...] | None:
    """Return the numbers of an element, or None where it is missing or empty.

    A comma is read as a decimal point: software set to a language with decimal commas writes it.

    Args:
        count: how many numbers there have to be; None takes any count.

    Raises:
        HeaderError: a value is not a finite number, or there are more or fewer than ``count``.
    """
    texts = _values_as_text(dataset, keyword)
    if not any(texts):
        return None
    numbers = tuple(_number(text) for text in texts)
    if not all(map(math.isfinite, numbers)) or count not in (None, len(numbers)):
        text = "\\".join(texts)
        shown = printable(text if len(text) <= _TEXT_SHOWN else text[:_TEXT_SHOWN] + "...")
        wanted = "a number" if count == 1 else "numbers" if count is None else f"{count} numbers"
        raise HeaderError(f"gives '{shown}' for {_in_words(keyword)}, where {wanted} should be")
    return numbers


def number_of(dataset: Dataset, keyword: str) -> float | None:
    """Return the one number of an element, or None where it is missing or empty; HeaderError as numbers_of."""
    numbers = numbers_of(dataset, keyword, 1)
    return None if numbers is None else numbers[0]


def items_of(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none if it is missing or not a sequence."""
    from pydicom.sequence import Sequence

    value = dataset.get(keyword)
    return list(value) if isinstance(value, Sequence) else []


def item_of(dataset: Dataset, *keywords: str) -> Dataset | None:
    """Return the first item of a sequence, of the sequence inside that item, and so on; None where one is missing."""
    found: Dataset | None = dataset
    for keyword in keywords:
        items = [] if found is None else items_of(found, keyword)
        found = items[0] if items else None
    return found


def _values_as_text(dataset: Dataset, keyword: str) -> list[str]:
    """Return the values as they are written; pydicom's own conversion fails on text that is not a number."""
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataelem import RawDataElement

    tag = tag_for_keyword(keyword)
    if tag is None or tag not in dataset:
        return []
    element = dataset.get_item(tag)
    if isinstance(element, RawDataElement) and _is_text(element.VR, keyword) and element.value is not None:
        values: Iterator[str] = iter(element.value.decode("latin-1").split("\\"))
    else:
        value = dataset[tag].value
        several = not isinstance(value, str | bytes) and hasattr(value, "__iter__")
        values = iter([str(one) for one in value] if several else [] if value is None else [str(value)])
    return [text.strip(" \0\t\r\n") for text in values]


def _is_text(vr: str | None, keyword: str) -> bool:
    from pydicom.datadict import dictionary_VR

    return (dictionary_VR(keyword) if vr in (None, "UN") else vr) in ("DS", "IS", "LO", "SH", "ST", "LT", "UT", "CS")


def _number(text: str) -> float:
    try:
        # Only Python reads 1_000 as a number.
        return math.nan if "_" in text else float(text.replace(",", ".") if text.count(",") == 1 else text)
    except ValueError:
        return math.nan


def _in_words(keyword: str) -> str:
    """Return the attribute's name as the standard spells it, for example 'Image Position (Patient)'."""
    from pydicom.datadict import dictionary_description

    return dictionary_description(keyword)


_STORAGE = "1.2.840.10008.5.1.4.1.1."
DIRECTORY = "1.2.840.10008.1.3.10"
DOSE = _STORAGE + "481.2"
NUCLEAR = _STORAGE + "20"

_SEGMENTATIONS = tuple(_STORAGE + number for number in ("66.4", "66.5", "66.7", "66.8"))
# Families without an image: waveforms, presentation states, registrations and raw data, reports, documents, plans.
_FAMILIES_WITHOUT_IMAGE = tuple(_STORAGE + number for number in ("9.", "11.", "66", "67", "68.", "88.", "104.", "481."))
_PLANNED_IMAGES = tuple(_STORAGE + number for number in ("481.1", "481.2"))
# Pictures and projections, which lie beside a scan: captured screens, radiographs, angiograms, ultrasound, microscopy.
_PICTURES = ("1.", "1", "3", "3.1", "6", "6.1", "7", "7.1", "7.2", "7.3", "7.4", "12.1", "12.2", "12.77", "481.1")
_FAMILIES_OF_PICTURES = tuple(_STORAGE + number for number in ("1.1", "1.2", "1.3", "77."))
_PICTURE_CLASSES = tuple(_STORAGE + number for number in _PICTURES)


class Kind(IntEnum):
    """How likely an object is the intended volume when a whole folder is given; the highest kind is used."""

    NO_IMAGE = 0
    SEGMENTATION = 1
    PICTURE = 2
    DOSE = 3
    IMAGE = 4


def kind_of(sop_class: str, image_type: str) -> Kind:
    """Return what an object is, from its SOP Class UID and its Image Type (values joined by backslashes)."""
    if sop_class in _SEGMENTATIONS:
        return Kind.SEGMENTATION
    if sop_class == DOSE:
        return Kind.DOSE
    if sop_class == DIRECTORY or (sop_class.startswith(_FAMILIES_WITHOUT_IMAGE) and sop_class not in _PLANNED_IMAGES):
        return Kind.NO_IMAGE
    is_picture = sop_class in _PICTURE_CLASSES or sop_class.startswith(_FAMILIES_OF_PICTURES)
    if is_picture or "LOCALIZER" in image_type.split("\\"):
        return Kind.PICTURE
    return Kind.IMAGE


def name_of(sop_class: str) -> str:
    """Return the name of a SOP class without its last word, for example 'RT Structure Set'."""
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    name = UID(sop_class, IGNORE).name
    return "object of an unknown kind" if name == sop_class else name.removesuffix(" Storage")


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
# Longer values, such as a scanner's private headers, are read only on access.
_LONG_VALUE = 4096
# The exceptions of pydicom 3, according to its fuzzing and ours, for a file that is not valid DICOM.
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
    """Return whether a path is a file that begins as DICOM does, with or without the 128 bytes in front."""
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
    """Return the DICOM files of a folder and, by default, of its subfolders, in the order of their paths.

    Skips files that are not DICOM, and those too damaged to say which series they belong to.
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
    """Turn any exception that a malformed file causes inside the block into an InputError of one sentence."""
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
    """Yield the files of a folder and its subfolders, by name; links to folders are not followed, which avoids
    loops."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(files))
