"""The frames of a multi-frame file with functional groups: enhanced and legacy converted CT, MR, PET and others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from CSAFusionLib.volumes.dicom.elements import HeaderError, item_of, items_of, text_of
from CSAFusionLib.volumes.dicom.frames import (
    Frame,
    frame_count,
    instance_number_of,
    orientation_of,
    position_of,
    size_of,
    slice_distance_of,
    spacing_of,
)
from CSAFusionLib.volumes.dicom.labels import dimension_labels, group_labels
from CSAFusionLib.volumes.dicom.scaling import scale_items

if TYPE_CHECKING:
    from pydicom import Dataset

_POSITIONS = (("PlanePositionSequence", "ImagePositionPatient"), ("PlanePositionVolumeSequence", "ImagePositionVolume"))
_ORIENTATIONS = (
    ("PlaneOrientationSequence", "ImageOrientationPatient"),
    ("PlaneOrientationVolumeSequence", "ImageOrientationVolume"),
)


def has_groups(dataset: Dataset) -> bool:
    """Tell whether a file describes its frames in functional groups."""
    return any(items_of(dataset, f"{whose}FunctionalGroupsSequence") for whose in ("PerFrame", "Shared"))


def grouped_frames(dataset: Dataset, file: Path) -> list[Frame]:
    """Return the frames in the order in which they are stored, with their own groups before the shared ones."""
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
    )
