"""Read the frames of a DICOM file, in the layout of its kind of object.

A nuclear medicine file (SPECT) has vectors that identify each frame; enhanced files have functional groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.volumes.dicom.frames import (
    Frame,
    Label,
    Scale,
    classic_labels,
    dimension_labels,
    dose_scale_of,
    frame_count,
    group_labels,
    instance_number_of,
    orientation_of,
    position_of,
    real_world_of,
    rescale_of,
    scale_items,
    seconds_of,
    size_of,
    slice_distance_of,
    spacing_of,
    stacked_frames,
)
from CSAFusionLib.volumes.dicom.headers import (
    DOSE,
    NUCLEAR,
    HeaderError,
    item_of,
    items_of,
    numbers_of,
    printable,
    text_of,
)

if TYPE_CHECKING:
    from pydicom import Dataset


_VECTORS = {
    "energy window": "EnergyWindowVector",
    "detector": "DetectorVector",
    "R-R interval": "RRIntervalVector",
    "time slot": "TimeSlotVector",
    "phase": "PhaseVector",
    "time slice": "TimeSliceVector",
}


def nuclear_frames(dataset: Dataset, file: Path, image_type: list[str]) -> list[Frame]:
    """Return the slices of a reconstructed file.

    Slices lie along the normal of the first plane, as far apart as Spacing Between Slices says, whose sign gives the
    direction, or else as far apart as they are thick.

    Args:
        image_type: the values of Image Type, in capitals.

    Raises:
        HeaderError: the file holds planar views or raw projections, or does not say where its slices lie.
    """
    count = frame_count(dataset)
    slices = _vector(dataset, "SliceVector", count)
    if not any(value.startswith("RECON") for value in image_type[2:]) and (slices is None or count == 1):
        what = "raw projections" if any("TOMO" in value for value in image_type) else "planar views"
        # One frame with its own place is a slice of a series of files.
        if count > 1 or _plane(dataset) is None or "TOMO" in image_type:
            raise HeaderError(f"holds {what} of a nuclear medicine scan, which are not slices; give a reconstruction")
    step = slice_distance_of(dataset)
    if step is None and count > 1:
        raise HeaderError("does not say how far apart its slices lie; export the original")
    numbers = _slice_numbers(dataset, count) if slices is None else slices
    scales: tuple[Scale | None, Scale | None] = (
        rescale_of(dataset),
        real_world_of(items_of(dataset, "RealWorldValueMappingSequence")),
    )
    places = (numbers - numbers.min()) * (step or 0.0)
    return stacked_frames(dataset, file, places, scales, _plane(dataset), _labels(dataset, count, slices is None))


def _plane(dataset: Dataset) -> Dataset | None:
    """The header or item that says where the first slice lies."""
    detector = item_of(dataset, "DetectorInformationSequence")
    for where in (detector, dataset):
        if where is not None and position_of(where) is not None:
            return where
    return None


def _vector(dataset: Dataset, keyword: str, count: int) -> np.ndarray | None:
    numbers = numbers_of(dataset, keyword)
    if numbers is None:
        return None
    if len(numbers) != count:
        raise HeaderError(f"holds {count} frames and identifies {len(numbers)} of them")
    return np.array(numbers)


def _slice_numbers(dataset: Dataset, count: int) -> np.ndarray:
    """The slice of each frame if no vector says it: in order, starting again at the first for each further volume."""
    listed = numbers_of(dataset, "NumberOfSlices")
    slices = int(listed[0]) if listed else count
    return np.arange(count) % slices if 0 < slices < count and count % slices == 0 else np.arange(count)


def _labels(dataset: Dataset, count: int, in_order: bool) -> list[dict[str, Label]]:
    labels: list[dict[str, Label]] = [{} for _ in range(count)]
    for name, keyword in _VECTORS.items():
        vector = _vector(dataset, keyword, count)
        for frame, value in zip(labels, () if vector is None else vector, strict=False):
            frame[name] = float(value)
    return labels


_POSITIONS = (("PlanePositionSequence", "ImagePositionPatient"), ("PlanePositionVolumeSequence", "ImagePositionVolume"))
_ORIENTATIONS = (
    ("PlaneOrientationSequence", "ImageOrientationPatient"),
    ("PlaneOrientationVolumeSequence", "ImageOrientationVolume"),
)


def has_groups(dataset: Dataset) -> bool:
    """Tell whether a file describes its frames in functional groups."""
    return any(items_of(dataset, f"{whose}FunctionalGroupsSequence") for whose in ("PerFrame", "Shared"))


def grouped_frames(dataset: Dataset, file: Path) -> list[Frame]:
    """Return the frames in stored order; their own groups take precedence over the shared ones."""
    groups = items_of(dataset, "PerFrameFunctionalGroupsSequence")
    shared = item_of(dataset, "SharedFunctionalGroupsSequence")
    count = frame_count(dataset)
    if len(groups) not in ((0, 1) if count == 1 else (count,)):
        raise HeaderError(f"says that it holds {count} frames and describes {len(groups)} of them")
    size, number = size_of(dataset), instance_number_of(dataset)
    return [
        _grouped_frame(_Groups(dataset, shared, groups[index] if groups else None), file, index, size, number + index)
        for index in range(count)
    ]


@dataclass(frozen=True)
class _Groups:
    """The functional groups that hold for one frame: its own before the shared ones."""

    root: Dataset
    shared: Dataset | None
    own: Dataset | None

    def items(self, keyword: str) -> list[Dataset]:
        for groups in (self.own, self.shared):
            found = [] if groups is None else items_of(groups, keyword)
            if found:
                return found
        return []

    def first(self, keyword: str) -> Dataset | None:
        items = self.items(keyword)
        return items[0] if items else None


def _grouped_frame(groups: _Groups, file: Path, index: int, size: tuple[int, int], number: float) -> Frame:
    content = groups.first("FrameContentSequence")
    measures = groups.first("PixelMeasuresSequence") or groups.root
    position = orientation = None
    for (place, position_keyword), (turn, orientation_keyword) in zip(_POSITIONS, _ORIENTATIONS, strict=True):
        where, how = groups.first(place), groups.first(turn)
        if position is None and where is not None:
            position = position_of(where, position_keyword)
        if orientation is None and how is not None:
            orientation = orientation_of(how, orientation_keyword)
    return Frame(
        file=file,
        index=index,
        size=size,
        position=position,
        orientation=orientation,
        spacing=spacing_of(measures),
        thickness=slice_distance_of(measures),
        scales=scale_items(groups.items, groups.root),
        labels=group_labels(groups.items) | dimension_labels(groups.root, content),
        stack="" if content is None else text_of(content, "StackID"),
        number=number,
        seconds=seconds_of(content, "FrameAcquisitionDuration"),
    )


# The vectors of time that Frame Increment Pointer names for films: Frame Time and Frame Time Vector.
_TIMES = (0x00181063, 0x00181065)


def frames_of(dataset: Dataset, file: Path) -> list[Frame]:
    """Return the frames of a file in the order in which they are stored.

    Raises HeaderError for a file that holds no slices in space, and for header elements that cannot be used.
    """
    image_type = text_of(dataset, "ImageType").upper().split("\\")
    if "MOSAIC" in image_type:
        raise HeaderError("is a mosaic, many slices tiled in one picture; convert it to NIfTI with dcm2niix first")
    if has_groups(dataset):
        return grouped_frames(dataset, file)
    sop_class = text_of(dataset, "SOPClassUID")
    if sop_class == DOSE:
        return _dose_frames(dataset, file)
    if sop_class == NUCLEAR:
        return nuclear_frames(dataset, file, image_type)
    if frame_count(dataset) > 1:
        return _plain_frames(dataset, file)
    return [_classic_frame(dataset, file, image_type)]


def _classic_frame(dataset: Dataset, file: Path, image_type: list[str]) -> Frame:
    return Frame(
        file=file,
        index=0,
        size=size_of(dataset),
        position=position_of(dataset),
        orientation=orientation_of(dataset),
        spacing=spacing_of(dataset),
        thickness=slice_distance_of(dataset),
        scales=(rescale_of(dataset), real_world_of(items_of(dataset, "RealWorldValueMappingSequence"))),
        labels=classic_labels(dataset),
        number=instance_number_of(dataset),
        seconds=seconds_of(dataset, "ActualFrameDuration"),
        is_localizer="LOCALIZER" in image_type,
    )


def _dose_frames(dataset: Dataset, file: Path) -> list[Frame]:
    scale = dose_scale_of(dataset)
    offsets = numbers_of(dataset, "GridFrameOffsetVector") or (0.0,)
    if len(offsets) != frame_count(dataset):
        raise HeaderError(f"gives the places of {len(offsets)} planes of dose and holds {frame_count(dataset)}")
    return stacked_frames(dataset, file, np.array(offsets) - offsets[0], (scale, None))


def _plain_frames(dataset: Dataset, file: Path) -> list[Frame]:
    """The frames of a file without functional groups that lie one behind the other, as some converters write them."""
    step = slice_distance_of(dataset) if text_of(dataset, "SpacingBetweenSlices") else None
    pointers = dataset.get("FrameIncrementPointer")
    in_time = any(int(one) in _TIMES for one in (pointers if isinstance(pointers, Iterable) else [pointers or 0]))
    if step is None or in_time or position_of(dataset) is None or orientation_of(dataset) is None:
        modality = printable(dataset.get("Modality", ""))
        raise HeaderError(
            f"holds {frame_count(dataset)} frames{f' ({modality})' if modality else ''} without a place in space, "
            f"as films and projections do; give a volume of slices"
        )
    places = np.arange(frame_count(dataset)) * step
    return stacked_frames(dataset, file, places, (rescale_of(dataset), None))
