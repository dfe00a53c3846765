"""Read one volume from a DICOM folder, series or file, and say why not where there is none or more than one."""

from __future__ import annotations

import filecmp
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.acquisition import Acquisition
from CSAFusionLib.volumes.dicom.frames import REAL_WORLD, Frame, chosen_scales
from CSAFusionLib.volumes.dicom.headers import (
    DIRECTORY,
    DicomFile,
    Kind,
    called,
    describe_file,
    find_dicom,
    listed_by_directory,
    name_of,
    printable_path,
    read_header,
    read_whole,
    readable,
)
from CSAFusionLib.volumes.dicom.layouts import frames_of
from CSAFusionLib.volumes.dicom.pixels import image_of, stored_frames, stored_values
from CSAFusionLib.volumes.dicom.series_headers import acquisition_of
from CSAFusionLib.volumes.dicom.stacking import SubVolume, split_into_volumes, stack_frames
from CSAFusionLib.volumes.input_path import chosen
from CSAFusionLib.volumes.volume import Volume

_SERIES_LISTED = 6


def read_dicom_folder(folder: Path, volume: int | None = None, *, keep_tilt: bool = False) -> Volume:
    """Read the one DICOM series of a folder, in physical units (HU for CT, Gy for doses).

    Objects that are not volumes (reports, structures, segmentations, localizers) are skipped. Subfolders are searched
    too; a series in the folder itself takes precedence.

    Args:
        volume: which one, from 1, of a series that holds several; None for the only one.
        keep_tilt: read slices of a tilted gantry too, as an image whose axes are sheared.

    Raises:
        InputError: the folder holds no series or several, or as read_dicom_file does.
    """
    return dicom_series(folder).read(volume, keep_tilt=keep_tilt)


def read_dicom_file(path: Path, volume: int | None = None, *, keep_tilt: bool = False) -> Volume:
    """Read a multi-frame file, the whole series of a file of one slice, or the one series that a DICOMDIR lists.

    Args:
        volume: which one, from 1, of a file or series that holds several; None for the only one.
        keep_tilt: read slices of a tilted gantry too, as an image whose axes are sheared.

    Raises:
        InputError: the file holds no volume, several and none is chosen, or one whose slices are missing, doubled,
            uneven, tilted or not parallel, or that does not say where its voxels lie or what they mean.
    """
    return dicom_series(path).read(volume, keep_tilt=keep_tilt)


@dataclass(frozen=True)
class DicomSeries:
    """The files of one series; sentences name the source.

    volumes: what it holds, told apart when they are first asked for, once for all of them.
    """

    source: Path
    name: str
    files: list[DicomFile]

    @cached_property
    def volumes(self) -> list[SubVolume]:
        """The volumes that the files hold."""
        frames = [frame for file in _without_copies(self.source, self.files) for frame in _frames_in(file.path)]
        if any(not frame.is_localizer for frame in frames):
            frames = [frame for frame in frames if not frame.is_localizer]
        with called(self.source):
            return _once(split_into_volumes(frames))

    @cached_property
    def _acquisition(self) -> Acquisition:
        return acquisition_of([file.path for file in self.files], self.files[0].modality)

    def read(self, volume: int | None = None, *, keep_tilt: bool = False) -> Volume:
        """Read one volume; arguments and errors as of :func:`read_dicom_file`."""
        with called(self.source):
            listed = [(one.description, len(one.frames)) for one in self.volumes]
            found = chosen(printable_path(self.source), listed, volume)
            stack = stack_frames(self.volumes[found].frames, keep_tilt=keep_tilt)
            image = image_of(stack)
            acquisition = self._acquisition
            if any(scale.unit == REAL_WORLD for scale in chosen_scales([frame.scales for frame in stack.frames])):
                # The header's unit, and so the factor to SUV, are of the stored values.
                mapped = "a real world value mapping scales it" if acquisition.suv else acquisition.suv_note
                acquisition = replace(acquisition, unit="", suv=0.0, suv_note=mapped)
        notes: tuple[str, ...] = ()
        if len(self.volumes) > 1:
            notes += (f"is number {found + 1} of the {len(self.volumes)} that its source holds.",)
        if stack.drift > 0:
            notes += (f"was straightened: its slices drift sideways by up to {stack.drift:.2g} mm.",)
        return Volume(
            image,
            printable_path(Path(self.name)),
            self.files[0].modality or None,
            notes,
            frames=stack.frames,
            acquisition=acquisition,
        )


def dicom_series(path: Path) -> DicomSeries:
    """Find the one series that a folder, a file or a DICOMDIR stands for.

    Raises InputError as :func:`read_dicom_folder` and :func:`read_dicom_file` do.
    """
    if path.is_dir():
        return _only_series(path, find_dicom(path), path)
    file = describe_file(path)
    if file.sop_class == DIRECTORY:
        return _only_series(path, listed_by_directory(path), path.parent)
    _check_kind(path, file)
    if file.frames > 1 and not file.concatenation:
        return DicomSeries(path, path.name, [file])
    beside = [one for one in find_dicom(path.parent, below=False) if _goes_with(one, file)]
    return DicomSeries(path.parent, path.parent.name, beside or [file])


def _goes_with(one: DicomFile, file: DicomFile) -> bool:
    if one.series != file.series:
        return False
    if file.concatenation:
        return one.concatenation == file.concatenation
    return one.kind is file.kind and one.frames == 1


def _check_kind(path: Path, file: DicomFile) -> None:
    if file.kind is Kind.SEGMENTATION:
        raise InputError(
            f"'{printable_path(path)}' is a segmentation, whose voxels are labels; give the image it was drawn on."
        )
    if file.kind is Kind.NO_IMAGE:
        raise InputError(f"'{printable_path(path)}' is a DICOM {name_of(file.sop_class)}, which holds no volume.")


def _only_series(source: Path, files: list[DicomFile], top: Path) -> DicomSeries:
    if not files:
        raise InputError(
            f"'{printable_path(source)}' holds no DICOM series; give a folder of DICOM slices or a volume file."
        )
    best = max(file.kind for file in files)
    _check_kind(source, next(file for file in files if file.kind is best))
    candidates = [file for file in files if file.kind is best]
    at_the_top = {file.series for file in candidates if file.path.parent == top}
    series: dict[str, list[DicomFile]] = defaultdict(list)
    for file in candidates:
        if not at_the_top or file.series in at_the_top:
            series[file.series].append(file)
    if len(series) > 1:
        raise InputError(
            f"'{printable_path(source)}' holds {len(series)} DICOM series: {_listed(source, list(series.values()))}; "
            f"give one file of the series you want instead of the folder."
        )
    return DicomSeries(source, source.name, next(iter(series.values())))


def _frames_in(path: Path) -> list[Frame]:
    header = read_header(path)
    with readable(path):
        return frames_of(header, path)


def _without_copies(source: Path, files: list[DicomFile]) -> list[DicomFile]:
    """The files, each instance once; InputError for two with one identifier and different contents."""
    kept: dict[str, DicomFile] = {}
    for file in files:
        first = kept.setdefault(file.instance or str(file.path), file)
        if first is not file and not filecmp.cmp(first.path, file.path, shallow=False) and _differ(first, file):
            raise InputError(
                f"'{printable_path(source)}' holds two different files of one and the same image, "
                f"'{printable_path(Path(first.path.name))}' and '{printable_path(Path(file.path.name))}'; "
                f"remove one of them."
            )
    return list(kept.values())


def _once(volumes: list[SubVolume]) -> list[SubVolume]:
    """The volumes without copies: those that no attribute distinguishes from the first and that hold the same values.

    This finds copies to which an anonymizer gave new identifiers.
    """
    first = volumes[0]
    if len(volumes) == 1 or not all(volume.is_untold for volume in volumes):
        return volumes
    there = dict(zip(map(_place, first.frames), stored_frames(list(first.frames)), strict=True))
    for volume in volumes[1:]:
        for frame, values in zip(volume.frames, stored_frames(list(volume.frames)), strict=True):
            if _place(frame) not in there or not np.array_equal(there[_place(frame)], values):
                return volumes
    return [SubVolume(first.frames)]


def _place(frame: Frame) -> tuple[float, ...]:
    return () if frame.position is None else tuple(frame.position.round(3))


def _differ(a: DicomFile, b: DicomFile) -> bool:
    first, second = (_values_in(file.path) for file in (a, b))
    return not np.array_equal(first, second)


def _values_in(path: Path) -> np.ndarray:
    dataset = read_whole(path)
    with readable(path):
        return stored_values(dataset)


def _listed(source: Path, series: list[list[DicomFile]]) -> str:
    shown = [_described(source, files) for files in series[:_SERIES_LISTED]]
    return ", ".join(shown) + (", ..." if len(series) > _SERIES_LISTED else "")


def _described(source: Path, files: list[DicomFile]) -> str:
    first = files[0]
    folder = source if source.is_dir() else source.parent
    count = f"{len(files)} file" + ("s" if len(files) > 1 else "")
    example = printable_path(first.path.relative_to(folder))
    return f"'{first.description or 'no description'}' ({first.modality}, {count}, e.g. '{example}')"
