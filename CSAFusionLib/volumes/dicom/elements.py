"""Elements of a DICOM data set, and what kind of object it is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

_TEXT_SHOWN = 40
_LONGEST_TEXT = 64


class HeaderError(ValueError):
    """What is wrong with a file, as the part of a sentence that follows its name, without the full stop."""


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
        HeaderError: a value is no finite number, or there are more or fewer than ``count``.
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
    """Return the items of a sequence; none where it is missing or no sequence."""
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
    """Return the values as they are written; pydicom's own conversion fails on text that is no number."""
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
        # Python alone takes 1_000 for a number.
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
    """How likely an object is the volume that is meant when a whole folder is given; the highest ones are taken."""

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
