"""A frame of a DICOM file: where it lies, what its values mean, and what tells it from others at its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.volumes.dicom.elements import HeaderError, number_of, numbers_of
from CSAFusionLib.volumes.dicom.labels import Label
from CSAFusionLib.volumes.dicom.scaling import Scale

if TYPE_CHECKING:
    from pydicom import Dataset

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
    number: what orders frames that nothing else orders.
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
    """Return how many frames a file says it holds; HeaderError for a number that is none."""
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
    """Return a position, (3,) LPS mm, or None where it is missing; HeaderError where it is no position."""
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
    """Return Spacing Between Slices (whose sign may tell a direction), else Slice Thickness; None where both fail."""
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        try:
            distance = number_of(dataset, keyword)
        except HeaderError:
            continue
        if distance:
            return distance
    return None


def instance_number_of(dataset: Dataset) -> float:
    """Return the number of the instance, or 0 where it is missing or no number."""
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
