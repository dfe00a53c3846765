"""Tell images that can be volumes from the other objects that lie beside them in a DICOM folder."""

from __future__ import annotations

from enum import IntEnum

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
