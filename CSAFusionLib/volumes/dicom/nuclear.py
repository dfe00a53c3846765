"""The frames of a nuclear medicine file (SPECT), whose vectors tell what each frame is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.volumes.dicom.elements import HeaderError, item_of, items_of, numbers_of
from CSAFusionLib.volumes.dicom.frames import (
    Frame,
    frame_count,
    position_of,
    slice_distance_of,
    stacked_frames,
)
from CSAFusionLib.volumes.dicom.labels import Label
from CSAFusionLib.volumes.dicom.scaling import Scale, real_world_of, rescale_of

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
    direction, or else as they are thick.

    Args:
        image_type: the values of Image Type, in capitals.

    Raises:
        HeaderError: the file holds planar views or raw projections, or does not say where its slices lie.
    """
    count = frame_count(dataset)
    slices = _vector(dataset, "SliceVector", count)
    if not any(value.startswith("RECON") for value in image_type[2:]) and (slices is None or count == 1):
        what = "raw projections" if any("TOMO" in value for value in image_type) else "planar views"
        # One frame with a place of its own is a slice of a series of files.
        if count > 1 or _plane(dataset) is None or "TOMO" in image_type:
            raise HeaderError(f"holds {what} of a nuclear medicine scan, which are no slices; give a reconstruction")
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
        raise HeaderError(f"holds {count} frames and tells of {len(numbers)} what they are")
    return np.array(numbers)


def _slice_numbers(dataset: Dataset, count: int) -> np.ndarray:
    """The slice that each frame is where no vector tells: in order, again from the first for each further volume."""
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
