"""Read a DICOM series whose slices stack into a straight, even grid, and say why not where they do not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.volume import Volume

SERIES_UID = "0020|000e"
MODALITY = "0008|0060"
_DESCRIPTION = "0008|103e"
_POSITION = "0020|0032"
_ORIENTATION = "0020|0037"

# Scanners round positions; more than this share of the slice distance off its even place is a real gap.
_UNEVEN = 0.1
_SERIES_LISTED = 6


def read_dicom_folder(folder: Path) -> Volume:
    """Read the one DICOM series of a folder, in physical units (HU for CT).

    Raises InputError when the folder holds no series or several, or as :func:`read_dicom_series` does.
    """
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not series:
        raise InputError(f"'{folder}' holds no DICOM series; give a folder of DICOM slices or a volume file.")
    if len(series) > 1:
        raise InputError(
            f"'{folder}' holds {len(series)} DICOM series: {_listed(folder, series)}; give one file of the series you "
            f"want instead of the folder."
        )
    return read_dicom_series(folder, series[0])


def read_dicom_series(folder: Path, series_uid: str) -> Volume:
    """Read one series of a folder, in physical units (HU for CT).

    Raises InputError when its slices do not make one volume: missing, doubled, unevenly spaced or tilted slices,
    slices that are not parallel or differ in size, no positions at all, or files that cannot be read.
    """
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series_uid)
    try:
        slices = [_read_header(file) for file in files]
        _check_stack(folder.name, slices)
        return Volume(_read_stack(files), folder.name, slices[0].modality)
    except RuntimeError as error:
        raise InputError(f"'{folder}' holds a DICOM series that cannot be read; export it again.") from error


@dataclass(frozen=True)
class _Slice:
    """What the header of one file says; position and orientation in LPS mm, None where the file has none."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    position: np.ndarray | None
    orientation: np.ndarray | None
    modality: str | None
    description: str


def _read_header(file: str) -> _Slice:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    tags = {key: reader.GetMetaData(key).strip() for key in reader.GetMetaDataKeys()}
    return _Slice(
        size=reader.GetSize(),
        spacing=reader.GetSpacing(),
        position=_numbers(tags.get(_POSITION), 3),
        orientation=_numbers(tags.get(_ORIENTATION), 6),
        modality=tags.get(MODALITY),
        description=tags.get(_DESCRIPTION, ""),
    )


def _numbers(text: str | None, count: int) -> np.ndarray | None:
    if not text or text.count("\\") != count - 1:
        return None
    return np.array([float(number) for number in text.split("\\")])


def _read_stack(files: tuple[str, ...]) -> sitk.Image:
    if len(files) == 1:
        return sitk.ReadImage(files[0])
    first = sitk.ReadImage(files[0])
    if first.GetNumberOfComponentsPerPixel() > 1:
        return sitk.ReadImage(files)
    # Each PET slice has a rescale slope of its own; the number type of the first slice must not round the others.
    return sitk.ReadImage(files, sitk.sitkFloat32)


def _check_stack(name: str, slices: list[_Slice]) -> None:
    if len(slices) == 1:
        return
    if any(len(one.size) > 2 and one.size[2] > 1 for one in slices):
        raise InputError(f"'{name}' holds {len(slices)} multi-frame DICOM files of one series; give one of the files.")
    if len({one.size for one in slices}) > 1:
        raise InputError(f"'{name}' has slices of different sizes; give a folder without the localizer.")
    positions, normal = _stack_geometry(name, slices)
    pixel = min(slices[0].spacing[:2])
    _check_straight(name, positions, normal, pixel)
    _check_even(name, np.sort(positions @ normal))


def _stack_geometry(name: str, slices: list[_Slice]) -> tuple[np.ndarray, np.ndarray]:
    positions = [one.position for one in slices if one.position is not None]
    orientations = [one.orientation for one in slices if one.orientation is not None]
    if min(len(positions), len(orientations)) < len(slices):
        raise InputError(f"'{name}' has slices without a position in the patient; export the original series.")
    if np.ptp(orientations, axis=0).max() > 1e-3:
        raise InputError(f"'{name}' has slices that are not parallel; give a folder without the localizer.")
    rows, columns = orientations[0][:3], orientations[0][3:]
    return np.array(positions), np.cross(rows, columns)


def _check_straight(name: str, positions: np.ndarray, normal: np.ndarray, pixel: float) -> None:
    way = positions - positions[0]
    along = way @ normal
    aside = np.linalg.norm(way - np.outer(along, normal), axis=1)
    if aside.max() > pixel / 2:
        angle = np.degrees(np.arctan2(aside.max(), np.abs(along[aside.argmax()])))
        raise InputError(
            f"'{name}' was acquired with a tilted gantry ({angle:.0f} degrees), so its slices make no straight volume; "
            f"load it in 3D Slicer, which straightens it, and save it as a file."
        )


def _check_even(name: str, places: np.ndarray) -> None:
    gaps = np.diff(places)
    usual = float(np.median(gaps))
    if gaps.min() < 0.01 * max(usual, 1e-3):
        raise InputError(
            f"'{name}' has several slices at one position (a dynamic or multi-echo series); "
            f"split it into one volume each."
        )
    even = np.linspace(places[0], places[-1], len(places))
    if np.abs(places - even).max() <= _UNEVEN * usual:
        return
    steps = gaps / usual
    if np.abs(steps - steps.round()).max() <= _UNEVEN and steps.min() > 0.5:
        missing = int((steps.round() - 1).sum())
        raise InputError(f"'{name}' lacks {missing} of its slices; export the whole series again.")
    raise InputError(
        f"'{name}' has slices {gaps.min():.3g} to {gaps.max():.3g} mm apart; resample it to one slice distance first."
    )


def _listed(folder: Path, series: tuple[str, ...]) -> str:
    shown = [_described(folder, uid) for uid in series[:_SERIES_LISTED]]
    return ", ".join(shown) + (", ..." if len(series) > _SERIES_LISTED else "")


def _described(folder: Path, series_uid: str) -> str:
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series_uid)
    first = _read_header(files[0])
    count = f"{len(files)} file" + ("s" if len(files) > 1 else "")
    return f"'{first.description or 'no description'}' ({first.modality}, {count}, e.g. '{Path(files[0]).name}')"
