"""A source of several volumes on one grid, as a dynamic PET or a functional MR is: each read when it is asked for."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.intensity.numeric_range import in_whole_numbers
from CSAFusionLib.logs import itk_warnings_off
from CSAFusionLib.memory import in_gib
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.volumes.dicom.headers import is_dicom
from CSAFusionLib.volumes.dicom.series import dicom_series
from CSAFusionLib.volumes.input_path import MEAN, check_input_path
from CSAFusionLib.volumes.nifti_orientation import Orientation
from CSAFusionLib.volumes.reading import set_right, stored_volume, volume_of
from CSAFusionLib.volumes.series_times import SeriesTimes, times_of_frames, times_of_header, times_of_sidecar
from CSAFusionLib.volumes.stored_volume import StoredVolume, one_of
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.voxel_data import Encoding, unpacked

_COMPRESSED = (Encoding.DEFLATE, Encoding.BZIP2)


@dataclass(frozen=True)
class VolumeSeries:
    """Volumes on one grid, numbered from 1.

    name: what messages call the source.
    count: how many there are.
    times: when each was measured; None where nothing says it.
    """

    name: str
    count: int
    times: SeriesTimes | None
    read_one: Callable[[int], Volume]

    def read(self, number: int) -> Volume:
        """Read one volume; InputError where there is none of that number or it is damaged."""
        if not 1 <= number <= self.count:
            raise InputError(
                f"'{self.name}' holds {self.count} volumes, so there is no volume {number}; choose from 1 to "
                f"{self.count}."
            )
        volume = self.read_one(number)
        # Which one it is says nothing where all of them are used.
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
        """The mean of all volumes, float32, each weighted by how long it was measured where that is known.

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
        """The volume that stands for all: ``mean``, or one by its number as a text.

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

    A compressed file is unpacked to a temporary file, so that each of its volumes can be read by itself; nothing else
    is held.

    Args:
        path, orientation, keep_shear: as of :func:`CSAFusionLib.volumes.reading.read_volume`.

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
    """The same volume, its voxels in a file that can be read from any place on."""
    if stored.series == 1 or stored.data.encoding not in _COMPRESSED or len(stored.data.files) > 1:
        yield stored
        return
    needed = math.prod(stored.size) * stored.series * stored.components * stored.number_type.itemsize
    with OwnedFolder() as folder:
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise InputError(
                f"Unpacked, '{stored.path}' takes {in_gib(needed)}, and the temporary folder has {in_gib(free)} left; "
                "make room there, or name another by TMPDIR."
            )
        yield replace(stored, data=unpacked(stored.data, needed, folder / "voxels"))
