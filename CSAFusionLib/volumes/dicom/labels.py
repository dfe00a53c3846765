"""What tells frames that lie at one place apart: time, echo, diffusion weighting, cardiac phase and the like."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from CSAFusionLib.volumes.dicom.elements import HeaderError, item_of, items_of, numbers_of, printable, text_of

if TYPE_CHECKING:
    from pydicom import Dataset

Label = float | str

# Attributes of a classic header, most telling first; the last ones change from slice to slice on many scanners.
_CLASSIC = (
    "ComplexImageComponent", "ImageType", "EchoNumbers", "EchoTime", "InversionTime", "DiffusionBValue",
    "DiffusionGradientOrientation", "TemporalPositionIdentifier", "TemporalPositionIndex", "PhaseNumber",
    "NominalPercentageOfCardiacPhase", "TriggerTime", "FlipAngle", "RepetitionTime", "KVP", "ConvolutionKernel",
    "FrameReferenceTime", "PhotometricInterpretation", "AcquisitionNumber", "AcquisitionTime", "AcquisitionDateTime",
    "ContentTime",
)  # fmt: skip
# Functional groups and the attributes inside them; a path of sequences leads to the last name.
_GROUPED = (
    ("MRImageFrameTypeSequence", "ComplexImageComponent"),
    ("MRImageFrameTypeSequence", "FrameType"),
    ("MRSpectroscopyFrameTypeSequence", "FrameType"),
    ("CTImageFrameTypeSequence", "FrameType"),
    ("PETFrameTypeSequence", "FrameType"),
    ("XRay3DFrameTypeSequence", "FrameType"),
    ("ParametricMapFrameTypeSequence", "FrameType"),
    ("USImageDescriptionSequence", "FrameType"),
    ("ImageDataTypeSequence", "DataType"),
    ("MREchoSequence", "EffectiveEchoTime"),
    ("MRModifierSequence", "InversionTimes"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("MRDiffusionSequence", "DiffusionGradientDirectionSequence", "DiffusionGradientOrientation"),
    ("MRDiffusionSequence", "DiffusionDirectionality"),
    ("MRArterialSpinLabelingSequence", "ASLContext"),
    ("MRVelocityEncodingSequence", "VelocityEncodingDirection"),
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("TemporalPositionSequence", "TemporalPositionTimeOffset"),
    ("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ("RespiratorySynchronizationSequence", "NominalPercentageOfRespiratoryPhase"),
    ("CTXRayDetailsSequence", "KVP"),
    ("CTReconstructionSequence", "ConvolutionKernel"),
    ("MRTimingAndRelatedParametersSequence", "FlipAngle"),
    ("MRTimingAndRelatedParametersSequence", "RepetitionTime"),
    ("FrameContentSequence", "FrameLabel"),
    ("FrameContentSequence", "FrameAcquisitionNumber"),
    ("FrameContentSequence", "FrameReferenceDateTime"),
    ("FrameContentSequence", "FrameAcquisitionDateTime"),
)
_CONVERTED = "UnassignedPerFrameConvertedAttributesSequence"
_SPATIAL = (
    "ImagePositionPatient", "ImageOrientationPatient", "InStackPositionNumber", "StackID", "ImagePositionVolume",
    "ImageOrientationVolume", "PlanePositionSequence", "PlaneOrientationSequence", "SliceLocation",
)  # fmt: skip
_UNITS = {
    "EchoTime": "ms", "EffectiveEchoTime": "ms", "InversionTime": "ms", "InversionTimes": "ms", "TriggerTime": "ms",
    "NominalCardiacTriggerDelayTime": "ms", "RepetitionTime": "ms", "FrameReferenceTime": "ms", "FlipAngle": "degrees",
    "DiffusionBValue": "s/mm2", "KVP": "kV", "NominalPercentageOfCardiacPhase": "%",
    "TemporalPositionTimeOffset": "s",
}  # fmt: skip


def classic_labels(dataset: Dataset) -> dict[str, Label]:
    """Return what a classic header, or the converted attributes of a frame, say apart from the place."""
    return {keyword: label for keyword in _CLASSIC if (label := _label(dataset, keyword)) != ""}


def group_labels(find: Callable[[str], list[Dataset]]) -> dict[str, Label]:
    """Return what the functional groups of a frame say apart from its place.

    find: gives the items of a functional group that hold for the frame.
    """
    labels: dict[str, Label] = {}
    for sequence, *inner, keyword in _GROUPED:
        items = find(sequence)
        holder = item_of(items[0], *inner) if items else None
        label = "" if holder is None else _label(holder, keyword)
        if label != "":
            labels.setdefault(keyword, label)
    converted = find(_CONVERTED)
    return labels | (classic_labels(converted[0]) if converted else {})


def dimension_labels(root: Dataset, content: Dataset | None) -> dict[str, Label]:
    """Return a frame's indices in the dimensions of its file that are not known to be spatial."""
    values = () if content is None else numbers_of(content, "DimensionIndexValues") or ()
    names = [_dimension_name(one) for one in items_of(root, "DimensionIndexSequence")]
    names += ["dimension"] * (len(values) - len(names))
    return {
        f"{name}, index {number + 1}": value
        for number, (name, value) in enumerate(zip(names, values, strict=False))
        if name not in _SPATIAL
    }


def in_words(keyword: str, label: Label) -> str:
    """Return a label for a sentence, for example 'echo time 4.6 ms'."""
    from pydicom.datadict import dictionary_description, tag_for_keyword

    known, _, index = keyword.partition(", index ")
    name = dictionary_description(known) if tag_for_keyword(known) is not None else known
    words = name if name.isupper() else name.lower()
    if label == "":
        return f"no {words}"
    value = f"{label:g}" if isinstance(label, float) else label.replace("\\", "/")
    if index:
        return f"number {value} in dimension {index}{'' if known == 'dimension' else f' ({words})'}"
    return f"{words} {value} {_UNITS.get(known, '')}".strip()


def _dimension_name(item: Dataset) -> str:
    from pydicom.datadict import keyword_for_tag

    pointer = item.get("DimensionIndexPointer")
    return (keyword_for_tag(pointer) if pointer is not None else "") or "dimension"


def _label(dataset: Dataset, keyword: str) -> Label:
    """Return the value of an attribute: a number where it is one, else text; '' where it is missing."""
    try:
        numbers = numbers_of(dataset, keyword)
    except HeaderError:
        return text_of(dataset, keyword)
    if numbers is None:
        return ""
    return numbers[0] if len(numbers) == 1 else printable(", ".join(f"{number:g}" for number in numbers))
