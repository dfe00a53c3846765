"""A frame of a DICOM file: its place, the meaning of its values, and what distinguishes it from others at its place.

- Labels: time, echo, diffusion weighting, cardiac phase and the like.
- Scale: the rescale of a frame, or its real world value mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.volumes.dicom.headers import HeaderError, item_of, items_of, number_of, numbers_of, printable, text_of

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
    """Return the value of an attribute: a number if it is one, else text; '' if it is missing."""
    try:
        numbers = numbers_of(dataset, keyword)
    except HeaderError:
        return text_of(dataset, keyword)
    if numbers is None:
        return ""
    return numbers[0] if len(numbers) == 1 else printable(", ".join(f"{number:g}" for number in numbers))


# Rescale types that do not name a unit.
_UNITLESS = ("", "US")


REAL_WORLD = "real world value"
"""The unit of values by a mapping whose own unit is not read."""


@dataclass(frozen=True)
class Scale:
    """From stored to physical values: ``slope * stored + intercept``, or a table that begins at a stored value.

    given: the names of the elements that the header has; the others default to 1 and 0.
    """

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    table: tuple[int, np.ndarray] | None = None
    given: frozenset[str] = frozenset()

    @property
    def says_something(self) -> bool:
        """Whether it changes values or names a unit."""
        return (self.slope, self.intercept) != (1, 0) or self.unit not in _UNITLESS or self.table is not None

    def apply(self, stored: np.ndarray) -> np.ndarray:
        """Return physical values, float64, of stored values of any shape."""
        if self.table is not None:
            first, values = self.table
            return values[np.clip(stored.astype(np.int64) - first, 0, len(values) - 1)]
        return stored * np.float64(self.slope) + self.intercept


def rescale_of(dataset: Dataset | None) -> Scale | None:
    """Return the rescale that a header, or an item of one, gives; None where it gives none.

    Raises HeaderError for a slope or intercept that is not a single number, and for a slope of 0.
    """
    if dataset is None:
        return None
    if item_of(dataset, "ModalityLUTSequence") is not None:
        return Scale(table=_table_of(dataset))
    slope, intercept = number_of(dataset, "RescaleSlope"), number_of(dataset, "RescaleIntercept")
    if slope is None and intercept is None:
        return None
    if slope == 0:
        raise HeaderError("gives 0 for Rescale Slope, which would make all voxels alike")
    parts = {"slope": slope, "intercept": intercept}
    given = frozenset(name for name, value in parts.items() if value is not None)
    return Scale(1.0 if slope is None else slope, intercept or 0.0, text_of(dataset, "RescaleType"), given=given)


def real_world_of(datasets: Sequence[Dataset]) -> Scale | None:
    """Return the first linear real world value mapping of some items; None where there is none."""
    for dataset in datasets:
        slope = numbers_of(dataset, "RealWorldValueSlope")
        intercept = numbers_of(dataset, "RealWorldValueIntercept")
        if slope and len(slope) == 1 and slope[0] != 0:
            return Scale(slope[0], intercept[0] if intercept else 0.0, REAL_WORLD)
    return None


def dose_scale_of(dataset: Dataset) -> Scale:
    """Return the scale of a dose grid; HeaderError where it is missing."""
    scaling = number_of(dataset, "DoseGridScaling")
    if not scaling:
        raise HeaderError("is a dose without Dose Grid Scaling, so its values mean nothing")
    return Scale(scaling, 0.0, text_of(dataset, "DoseUnits") or "dose")


def scale_items(find: Callable[[str], list[Dataset]], dataset: Dataset) -> tuple[Scale | None, Scale | None]:
    """Return the rescale and the real world value mapping of one frame of a file with functional groups.

    find: gives the items of a functional group that hold for the frame.
    """
    groups = find("PixelValueTransformationSequence")
    rescale = rescale_of(groups[0] if groups else dataset)
    mappings = find("RealWorldValueMappingSequence") or items_of(dataset, "RealWorldValueMappingSequence")
    return rescale, real_world_of(mappings)


def chosen_scales(pairs: Sequence[tuple[Scale | None, Scale | None]]) -> list[Scale]:
    """Return one scale for each frame of a volume, from the rescale and the real world value mapping of each.

    If any frame has a rescale, the rescale is used: a mapping beside it may lead to another quantity, such as SUV
    beside a rescale to Bq/ml. All frames of a volume are scaled in the same way.

    Raises HeaderError where some frames lack what the rescale of others has.
    """
    by_rescale = any(rescale is not None and rescale.says_something for rescale, _ in pairs)
    if not by_rescale and all(mapping is not None for _, mapping in pairs):
        return [mapping or Scale() for _, mapping in pairs]
    if by_rescale and len({None if rescale is None else rescale.given for rescale, _ in pairs}) > 1:
        raise HeaderError("has slices that lack the rescale slope or intercept of the others; export the original")
    return [rescale or Scale() for rescale, _ in pairs]


def _table_of(dataset: Dataset) -> tuple[int, np.ndarray]:
    item = items_of(dataset, "ModalityLUTSequence")[0]
    descriptor = numbers_of(item, "LUTDescriptor", 3)
    if descriptor is None:
        raise HeaderError("has a Modality LUT without a descriptor")
    length, first = int(descriptor[0]) or 2**16, int(descriptor[1])
    data = item.get("LUTData")
    values = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.atleast_1d(np.asarray(data))
    if len(values) < length:
        raise HeaderError("has a Modality LUT that is shorter than its descriptor says")
    return first, values[:length].astype(np.float64)


# How far direction cosines may be from unit length and a right angle; rounding to two decimals stays below.
_COSINES = 0.02


@dataclass(frozen=True)
class Frame:
    """One plane of voxels as its header describes it.

    size: rows, columns.
    position: centre of the first voxel, (3,) LPS mm; None where the header has none.
    orientation: directions of a row and of a column, (2, 3); None where the header has none.
    spacing: between rows, between columns, mm; None where the header has none.
    thickness: distance to the next slice, or thickness of the slice, mm; None where the header has neither.
    scales: its rescale and its real world value mapping.
    labels: what may tell frames at one place apart, most telling first.
    stack: the stack it belongs to, "" where it belongs to none.
    number: the order of frames that nothing else orders.
    seconds: how long it was measured; 0 where the header does not say it.
    """

    file: Path
    index: int
    size: tuple[int, int]
    position: np.ndarray | None
    orientation: np.ndarray | None
    spacing: tuple[float, float] | None
    thickness: float | None = None
    scales: tuple[Scale | None, Scale | None] = (None, None)
    labels: dict[str, Label] = field(default_factory=dict)
    stack: str = ""
    number: float = 0
    seconds: float = 0
    is_localizer: bool = False


def frame_count(dataset: Dataset) -> int:
    """Return how many frames a file claims to hold; HeaderError if that is not a number."""
    number = number_of(dataset, "NumberOfFrames")
    if number is not None and (number < 1 or number != int(number)):
        raise HeaderError(f"says that it holds {number:g} frames")
    return int(number or 1)


def seconds_of(dataset: Dataset | None, keyword: str) -> float:
    """Return a duration that a header gives in milliseconds; 0 where it gives none that can be used."""
    try:
        value = None if dataset is None else number_of(dataset, keyword)
    except HeaderError:
        return 0.0
    return value / 1000 if value is not None and value > 0 else 0.0


def size_of(dataset: Dataset) -> tuple[int, int]:
    """Return rows and columns; HeaderError where the file has no image."""
    rows, columns = number_of(dataset, "Rows"), number_of(dataset, "Columns")
    if not rows or not columns:
        raise HeaderError("holds no image")
    return int(rows), int(columns)


def position_of(dataset: Dataset, keyword: str = "ImagePositionPatient") -> np.ndarray | None:
    """Return a position, (3,) LPS mm, or None if it is missing; HeaderError if it is not a position."""
    position = numbers_of(dataset, keyword, 3)
    return None if position is None else np.array(position)


def orientation_of(dataset: Dataset, keyword: str = "ImageOrientationPatient") -> np.ndarray | None:
    """Return the unit directions of a row and a column, (2, 3), or None where they are missing.

    Raises HeaderError for directions that are not of unit length or not at a right angle.
    """
    numbers = numbers_of(dataset, keyword, 6)
    if numbers is None:
        return None
    directions = np.array(numbers).reshape(2, 3)
    lengths = np.linalg.norm(directions, axis=1)
    if np.abs(lengths - 1).max() > _COSINES or abs(directions[0] @ directions[1]) > _COSINES:
        shown = ", ".join(f"{number:g}" for number in numbers)
        raise HeaderError(f"gives directions of rows and columns ({shown}) that are no unit vectors at 90 degrees")
    return directions / lengths[:, None]


def spacing_of(dataset: Dataset) -> tuple[float, float] | None:
    """Return the distance between rows and between columns in mm, or None where it is missing.

    Raises HeaderError for a spacing that is not positive.
    """
    spacing = numbers_of(dataset, "PixelSpacing", 2)
    if spacing is None:
        return None
    if min(spacing) <= 0:
        raise HeaderError(f"gives a pixel spacing of {spacing[0]:g} x {spacing[1]:g} mm")
    return spacing[0], spacing[1]


def slice_distance_of(dataset: Dataset) -> float | None:
    """Return Spacing Between Slices (whose sign may give a direction), else Slice Thickness; None without either."""
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        try:
            distance = number_of(dataset, keyword)
        except HeaderError:
            continue
        if distance:
            return distance
    return None


def instance_number_of(dataset: Dataset) -> float:
    """Return the instance number, or 0 if it is missing or not a number."""
    try:
        return number_of(dataset, "InstanceNumber") or 0
    except HeaderError:
        return 0


def stacked_frames(
    dataset: Dataset,
    file: Path,
    places: np.ndarray,
    scales: tuple[Scale | None, Scale | None],
    where: Dataset | None = None,
    labels: list[dict[str, Label]] | None = None,
) -> list[Frame]:
    """Return frames that lie at places, in mm, along the normal of one plane.

    where: the header or item that holds position and orientation of the plane; None is the header itself.
    """
    where = dataset if where is None else where
    position, orientation = position_of(where), orientation_of(where)
    if position is None or orientation is None:
        raise HeaderError("does not say where its slices lie in the patient; export the original")
    normal = np.cross(*orientation)
    size, spacing, thickness = size_of(dataset), spacing_of(dataset), slice_distance_of(dataset)
    return [
        Frame(
            file=file,
            index=index,
            size=size,
            position=position + place * normal,
            orientation=orientation,
            spacing=spacing,
            thickness=thickness,
            scales=scales,
            labels=labels[index] if labels else {},
            number=index,
        )
        for index, place in enumerate(places)
    ]
