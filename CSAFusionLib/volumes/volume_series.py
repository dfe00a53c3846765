"""Several volumes on one grid, such as a dynamic PET or a functional MR, read and written one at a time.

The times come from the sidecar beside a file, its header, or the DICOM headers. A series is written as one file with a
fourth dimension.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Unwritable, Writer
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.geometry.grid import ijk_to_lps, same_grid
from CSAFusionLib.logs import itk_warnings_off
from CSAFusionLib.memory import in_gib
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.volumes.dicom.frames import Frame
from CSAFusionLib.volumes.dicom.headers import is_dicom
from CSAFusionLib.volumes.dicom.series_reading import dicom_series
from CSAFusionLib.volumes.input_path import MEAN, check_input_path
from CSAFusionLib.volumes.nifti import Orientation
from CSAFusionLib.volumes.reading import set_right, stored_volume, volume_of
from CSAFusionLib.volumes.stored_volume import Encoding, StoredVolume, one_of, unpacked
from CSAFusionLib.volumes.volume import Volume, in_whole_numbers, sidecar_of
from CSAFusionLib.volumes.writing import (
    CHUNK,
    CORNERS_APART_MM,
    Layout,
    check_kept,
    encode_pieces,
    layout_like,
    volume_writer,
)

_DAY = 24 * 60 * 60.0
# Steps that differ by no more than this share are the same step, rounded.
_EVEN = 1e-3


@dataclass(frozen=True)
class SeriesTimes:
    """Times in seconds, one for each volume.

    starts: when each began. durations: how long each lasted; empty where that is unknown.
    """

    starts: tuple[float, ...]
    durations: tuple[float, ...] = ()

    @property
    def weights(self) -> np.ndarray:
        """How much each volume counts in a mean, (N,): its duration where that is known, else 1."""
        return np.array(self.durations) if self.durations else np.ones(len(self.starts))

    @property
    def step(self) -> float | None:
        """The time from one volume to the next; None where it varies."""
        steps = np.diff(self.starts)
        if len(steps) == 0 or steps.min() <= 0 or np.ptp(steps) > _EVEN * steps.mean():
            return None
        return float(steps.mean())

    def describe(self) -> dict[str, list[float]]:
        """The times by their BIDS names."""
        told = {"FrameTimesStart": [*self.starts]}
        return told | ({"FrameDuration": [*self.durations]} if self.durations else {})


def times_of_sidecar(path: Path, count: int) -> SeriesTimes | None:
    """Return the times in the JSON file beside a volume, in BIDS or dcm2niix terms; None if there are none."""
    values = sidecar_of(path)
    starts = _numbers(values.get("FrameTimesStart", values.get("VolumeTiming")), count)
    durations = _numbers(values.get("FrameDuration", values.get("AcquisitionDuration")), count)
    if starts is None and durations is not None and "FrameDuration" in values:
        starts = tuple(float(start) for start in np.cumsum((0.0, *durations[:-1])))
    if starts is None:
        return None
    return SeriesTimes(starts, durations if durations and min(durations) > 0 else ())


def times_of_header(stored: StoredVolume) -> SeriesTimes | None:
    """Return the times from a file's header, which gives one step for all; None where it gives none."""
    if not stored.seconds_apart > 0:
        return None
    return SeriesTimes(tuple(stored.first_second + stored.seconds_apart * number for number in range(stored.series)))


def times_of_frames(firsts: Sequence[Frame]) -> SeriesTimes | None:
    """Return the times from the first frames of DICOM volumes; None where nothing distinguishes their times."""
    durations = tuple(frame.seconds for frame in firsts)
    known = durations if all(durations) else ()
    for keyword, seconds in (
        ("TemporalPositionTimeOffset", float),
        ("TriggerTime", _milliseconds),
        ("NominalCardiacTriggerDelayTime", _milliseconds),
        ("AcquisitionDateTime", _clock),
        ("FrameAcquisitionDateTime", _clock),
        ("AcquisitionTime", _clock),
        ("ContentTime", _clock),
        ("FrameReferenceTime", _milliseconds),
    ):
        labels = [frame.labels.get(keyword, "") for frame in firsts]
        if "" in labels or len({*labels}) < len(labels):
            continue
        times = np.array([seconds(label) for label in labels])
        if np.isfinite(times).all():
            return SeriesTimes(_from_the_first(times, is_clock=seconds is _clock), known)
    return None


def _numbers(values: Any, count: int) -> tuple[float, ...] | None:
    """A list of ``count`` finite numbers; None for anything else."""
    if not isinstance(values, list) or len(values) != count:
        return None
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in values):
        return None
    return tuple(float(one) for one in values)


def _from_the_first(times: np.ndarray, *, is_clock: bool) -> tuple[float, ...]:
    """Clock times are counted from the earliest, which may be before midnight; other times stay unchanged."""
    if not is_clock:
        return tuple(times.tolist())
    times = np.where(times - times.min() > _DAY / 2, times - _DAY, times)
    return tuple((times - times.min()).tolist())


def _milliseconds(label: float | str) -> float:
    return label / 1000 if isinstance(label, float) else math.nan


def _clock(label: float | str) -> float:
    """Seconds since midnight from DICOM's HHMMSS.FFFFFF, after a date or alone; NaN for anything else."""
    text = f"{label:013.6f}" if isinstance(label, float) else label
    time = text.split("+")[0].split("-")[0]
    time = time[8:] if len(time.split(".")[0]) == 14 else time
    try:
        return 3600 * int(time[:2]) + 60 * int(time[2:4]) + float(time[4:])
    except ValueError:
        return math.nan


_COMPRESSED = (Encoding.DEFLATE, Encoding.BZIP2)


@dataclass(frozen=True)
class VolumeSeries:
    """Volumes on one grid, numbered from 1.

    name: what messages call the source.
    count: how many there are.
    times: when each was measured; None where that is unknown.
    """

    name: str
    count: int
    times: SeriesTimes | None
    read_one: Callable[[int], Volume]

    def read(self, number: int) -> Volume:
        """Read one volume; raises InputError where the number does not exist or the volume is damaged."""
        if not 1 <= number <= self.count:
            raise InputError(
                f"'{self.name}' holds {self.count} volumes, so there is no volume {number}; choose from 1 to "
                f"{self.count}."
            )
        volume = self.read_one(number)
        # The number of a volume is irrelevant where all of them are used.
        return replace(volume, notes=tuple(note for note in volume.notes if not note.startswith("is number ")))

    def volumes(self) -> Iterator[Volume]:
        """All volumes in their order, one at a time.

        Raises InputError where one lies on another grid than the first.
        """
        first = self.read(1)
        yield first
        for number in range(2, self.count + 1):
            volume = self.read(number)
            if not same_grid(volume.image, first.image):
                raise InputError(
                    f"Volume {number} of '{self.name}' lies on another grid than the first, so one registration does "
                    f"not fit both; choose one volume by its number with --volume."
                )
            yield volume

    def mean(self, progress: Progress = silent) -> Volume:
        """The mean of all volumes, float32, each weighted by its duration where that is known.

        Colours keep their number type.
        """
        weights = np.ones(self.count) if self.times is None else self.times.weights
        total: np.ndarray | None = None
        first: Volume | None = None
        notes: dict[str, None] = {}
        for number, (volume, weight) in enumerate(zip(self.volumes(), weights, strict=True), start=1):
            progress("Averaging the series", number, self.count)
            part = weight * sitk.GetArrayViewFromImage(volume.image).astype(np.float64)
            total = part if total is None else np.add(total, part, out=total)
            first = first or volume
            notes.update(dict.fromkeys(volume.notes))
        assert first is not None and total is not None
        mean = sitk.GetImageFromArray((total / weights.sum()).astype(np.float32), isVector=first.is_colour)
        mean.CopyInformation(first.image)
        image = in_whole_numbers(mean, first.image) if first.is_colour else mean
        return replace(first, image=image, notes=tuple(notes))

    def reference(self, by: str, progress: Progress = silent) -> Volume:
        """The volume that represents all: ``mean``, or one by its number as a text.

        Raises InputError for a text that is neither.
        """
        if by == MEAN:
            return self.mean(progress)
        if not by.isdecimal():
            raise InputError(f"A series is registered by its mean or by one volume's number, not {checks.shown(by)}.")
        volume = self.read(int(by))
        return replace(volume, name=f"volume {int(by)} of {volume.name}")


@contextmanager
def open_series(
    path: Path, *, orientation: Orientation = Orientation.HEADER, keep_shear: bool = False
) -> Iterator[VolumeSeries]:
    """Open a source that holds one or several volumes, for a ``with`` block.

    A compressed file is unpacked to a temporary file, so that each of its volumes can be read separately; nothing else
    is kept.

    Args:
        path, orientation, keep_shear: as for :func:`CSAFusionLib.volumes.reading.read_volume`.

    Raises InputError as ``read_volume`` does, and where there is no room for the temporary file.
    """
    is_folder = check_input_path(path)
    if is_folder or is_dicom(path):
        yield _dicom(path, keep_shear=keep_shear)
        return
    with itk_warnings_off():
        stored = stored_volume(path, orientation)
    times = times_of_sidecar(path, stored.series) or times_of_header(stored)
    with _seekable(stored) as open_file:

        def read(number: int) -> Volume:
            with itk_warnings_off():
                volume = volume_of(path, one_of(open_file, number))
            return set_right(path, volume, keep_shear=keep_shear)

        yield VolumeSeries(path.name, stored.series, times, read)


def _dicom(path: Path, *, keep_shear: bool) -> VolumeSeries:
    with itk_warnings_off():
        found = dicom_series(path)

    def read(number: int) -> Volume:
        with itk_warnings_off():
            return set_right(path, found.read(number, keep_tilt=keep_shear), keep_shear=keep_shear)

    times = times_of_frames([one.frames[0] for one in found.volumes])
    return VolumeSeries(found.name, len(found.volumes), times, read)


@contextmanager
def _seekable(stored: StoredVolume) -> Iterator[StoredVolume]:
    """The same volume, with its voxels in a file that can be read from any position."""
    if stored.series == 1 or stored.data.encoding not in _COMPRESSED or len(stored.data.files) > 1:
        yield stored
        return
    needed = math.prod(stored.size) * stored.series * stored.components * stored.number_type.itemsize
    with OwnedFolder() as folder:
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise InputError(
                f"Unpacked, '{stored.path}' takes {in_gib(needed)}, and the temporary folder has {in_gib(free)} left; "
                "make room there, or set TMPDIR to another folder."
            )
        yield replace(stored, data=unpacked(stored.data, needed, folder / "voxels"))


_RGB24, _BITS = (70, 128), (72, 24)
"""The offset of a NIfTI header's number type and bits per voxel, and their values for colours."""
_UNITS, _MILLIMETRES = 123, 2
"""The offset of its units, and their value in a file without times."""


class Spool:
    """Volumes of one grid and number type, kept in a temporary file until they are written.

    Args:
        file: the temporary file, which does not exist yet.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._like: sitk.Image | None = None
        self._shape: tuple[int, ...] = ()
        self.count = 0

    def add(self, image: sitk.Image) -> None:
        """Append a volume.

        Raises InputError when the disk refuses it.
        """
        voxels = np.ascontiguousarray(sitk.GetArrayViewFromImage(image))
        if self._like is None:
            self._like, self._shape = image, voxels.shape
            self._number_type = voxels.dtype
        assert voxels.shape == self._shape and voxels.dtype == self._number_type
        try:
            with self._file.open("ab") as stream:
                stream.write(voxels.reshape(-1).view(np.uint8).data)
        except OSError as error:
            raise InputError(
                f"The fused volumes cannot be kept in '{self._file.parent}' ({error.strerror}); make room there."
            ) from error
        self.count += 1

    def image(self, index: int) -> sitk.Image:
        """A volume by its index from 0."""
        assert self._like is not None
        image = sitk.GetImageFromArray(np.array(self._voxels()[index]), isVector=self._is_colour)
        image.CopyInformation(self._like)
        return image

    def volume_writer(self, index: int, on_chunk: Callable[[], None]) -> Writer:
        """Return the function that writes one volume alone."""

        def write(path: Path) -> None:
            volume_writer(self.image(index), on_chunk)(path)

        return write

    def writer(self, times: SeriesTimes | None, on_chunk: Callable[[], None]) -> Writer:
        """Return the function that writes all of them as one file and reads it back.

        times: their step goes into the header if it is constant.
        """

        def write(path: Path) -> None:
            layout = self._layout(path, times)
            are_floats = self._number_type.kind == "f"
            checksum = encode_pieces(self._pieces(), layout, path, on_chunk, are_floats=are_floats)
            check_kept(path, layout, checksum, on_chunk)
            self._check_header(path)

        return write

    @property
    def _is_colour(self) -> bool:
        return len(self._shape) == 4

    def _voxels(self) -> np.ndarray:
        return np.memmap(self._file, self._number_type, "r", shape=(self.count, *self._shape))

    def _pieces(self) -> Iterator[bytes]:
        with self._file.open("rb") as stream:
            yield from iter(partial(stream.read, CHUNK), b"")

    def _layout(self, path: Path, times: SeriesTimes | None) -> Layout:
        assert self._like is not None
        size = (*self._like.GetSize(), self.count)
        is_nifti = path.name.endswith((".nii", ".nii.gz"))
        # ITK would write colours as a fifth dimension, which hardly any program shows.
        components = 1 if is_nifti else self._like.GetNumberOfComponentsPerPixel()
        pixel = sitk.sitkUInt8 if is_nifti and self._is_colour else self._like.GetPixelID()
        layout = layout_like(_voxel(self._like, pixel, components, times), size, path)
        header = bytearray(layout.header)
        if is_nifti and self._is_colour:
            for place, value in (_RGB24, _BITS):
                header[place : place + 2] = value.to_bytes(2, "little")
        if is_nifti and (times is None or times.step is None):
            header[_UNITS] = _MILLIMETRES
        return replace(layout, header=bytes(header), by_component=False)

    def _check_header(self, path: Path) -> None:
        assert self._like is not None
        stored = stored_volume(path, Orientation.HEADER)
        components = self._like.GetNumberOfComponentsPerPixel()
        found = stored.size, stored.series, stored.number_type.newbyteorder("="), stored.components
        if found != (self._like.GetSize(), self.count, self._number_type, components):
            raise Unwritable("this format cannot hold its type of voxels; save it as .nrrd or .mha")
        corner = [*(length - 1 for length in stored.size), 1]
        apart = np.abs((stored.affine - ijk_to_lps(self._like)) @ corner).max()
        apart = max(apart, np.abs(stored.affine[:3, 3] - self._like.GetOrigin()).max())
        if apart > max(CORNERS_APART_MM, 1e-6 * np.abs(self._like.GetOrigin()).max()):
            raise Unwritable(
                f"this format would put it up to {apart:.2g} mm from where it lies; save it as .nrrd or .mha"
            )


def _voxel(like: sitk.Image, pixel: int, components: int, times: SeriesTimes | None) -> sitk.Image:
    """A 4-D image of one voxel with the place of a volume; its fourth side is the time between volumes."""
    step = (times.step if times is not None else None) or 1.0
    voxel = sitk.Image([1] * 4, pixel, components)
    voxel.SetSpacing((*like.GetSpacing(), step))
    voxel.SetOrigin((*like.GetOrigin(), times.starts[0] if times is not None else 0.0))
    direction = np.eye(4)
    direction[:3, :3] = np.reshape(like.GetDirection(), (3, 3))
    voxel.SetDirection(direction.ravel().tolist())
    return voxel
