"""Read one volume from a DICOM folder, series or file, or say why there is none or more than one; and its acquisition.

A PET is read in SUVbw, g/ml, by body weight, after the vendor-neutral pseudocode of QIBA (RSNA):
https://qibawiki.rsna.org/index.php/Standardized_Uptake_Value_(SUV).
"""

from __future__ import annotations

import filecmp
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.dicom.frames import REAL_WORLD, Frame, chosen_scales
from CSAFusionLib.volumes.dicom.headers import (
    DIRECTORY,
    DicomFile,
    HeaderError,
    Kind,
    called,
    describe_file,
    find_dicom,
    item_of,
    listed_by_directory,
    name_of,
    number_of,
    printable_path,
    read_header,
    read_whole,
    readable,
    text_of,
)
from CSAFusionLib.volumes.dicom.layouts import frames_of
from CSAFusionLib.volumes.dicom.pixels import image_of, stored_frames, stored_values
from CSAFusionLib.volumes.dicom.stacking import SubVolume, split_into_volumes, stack_frames
from CSAFusionLib.volumes.input_path import chosen
from CSAFusionLib.volumes.volume import Acquisition, Volume, contrast_of_names, contrast_of_times

if TYPE_CHECKING:
    from pydicom import Dataset


_PHILIPS = (0x7053, "Philips PET Private Group")
_PHILIPS_SUV, _PHILIPS_ACTIVITY = 0x00, 0x09
_GE = (0x0009, "GEMS_PETD_01")
_GE_SCAN_START = 0x0D
# DICOM's defined terms; any other text is not a unit, and must not get into a report.
_UNITS = {
    "BQML": "Bq/ml", "GML": "g/ml", "CNTS": "counts", "PROPCNTS": "proportional counts", "CM2ML": "cm2/ml",
    "CPS": "counts/s", "PROPCPS": "proportional counts/s", "PCNT": "%", "CM2": "cm2", "1CM": "1/cm",
    "MGMINML": "mg/min/ml", "UMOLMINML": "umol/min/ml", "MLMING": "ml/min/g", "MLG": "ml/g", "UMOLML": "umol/ml",
    "MLMINML": "ml/min/ml", "MLML": "ml/ml", "STDDEV": "standard deviations",
}  # fmt: skip
_SUV_KINDS = ("BSA", "LBM", "LBMJAMES128", "LBMJANMA", "IBW")
# Doses of people and of small animals; smaller numbers are MBq or mCi written in place of Bq.
_LEAST_DOSE = 1e5
_LONGEST_WAIT_S = 7 * 86400
_HEAVIEST_KG = 500


def uptake_of(dataset: Dataset) -> Acquisition:
    """Return unit and SUV factor of a PET slice, from the header whose acquisition is the earliest of its series.

    If a required element is missing or contradicts another, the factor is 0, and the note says why. The note is kept
    with results, so it contains no value of the header.
    """
    units = text_of(dataset, "Units").upper()
    unit = _UNITS.get(units, "")
    try:
        factor = _factor(dataset, units)
    except HeaderError as why:
        return Acquisition(unit=unit, suv_note=str(why))
    return Acquisition(unit=unit, suv=factor)


def _factor(dataset: Dataset, units: str) -> float:
    if units == "GML":
        kind = text_of(dataset, "SUVType").upper()
        if kind not in ("", "BW"):
            known = f"SUV by {kind}" if kind in _SUV_KINDS else "SUV of an unknown kind"
            raise HeaderError(f"its values are {known}, not by body weight")
        return 1.0
    if units == "CNTS":
        stored = _private_number(dataset, _PHILIPS, _PHILIPS_SUV)
        if stored:
            return stored
        activity = _private_number(dataset, _PHILIPS, _PHILIPS_ACTIVITY)
        if not activity:
            raise HeaderError("it holds counts without its vendor's factor to activity")
        return activity * _by_weight(dataset)
    if units != "BQML":
        known = f"its unit is {_UNITS[units]}" if units in _UNITS else "its unit cannot be converted to activity"
        raise HeaderError(known if units else "its header gives no unit")
    return _by_weight(dataset)


def _by_weight(dataset: Dataset) -> float:
    """SUV for one Bq/ml."""
    corrected = text_of(dataset, "CorrectedImage").upper()
    for mark, what in (("ATTN", "attenuation"), ("DEC", "decay")):
        if mark not in corrected:
            raise HeaderError(f"it is not corrected for {what}")
    weight = number_of(dataset, "PatientWeight")
    if not weight or not 0 < weight <= _HEAVIEST_KG:
        raise HeaderError(
            "the header gives no body weight" if not weight else "the header's body weight is not plausible"
        )
    return weight * 1000 / _decayed_dose(dataset)


def _decayed_dose(dataset: Dataset) -> float:
    """The dose in Bq that was left at the time to which the voxels are corrected."""
    tracer = item_of(dataset, "RadiopharmaceuticalInformationSequence")
    dose = None if tracer is None else number_of(tracer, "RadionuclideTotalDose")
    if tracer is None or not dose:
        raise HeaderError("the header gives no dose")
    if dose < _LEAST_DOSE:
        raise HeaderError("the header's dose is not plausible")
    reference = text_of(dataset, "DecayCorrection").upper()
    if reference == "ADMIN":
        return dose
    if reference != "START":
        raise HeaderError("it does not give the time to which decay is corrected")
    half_life = number_of(tracer, "RadionuclideHalfLife")
    if not half_life or half_life <= 0:
        raise HeaderError("the header gives no half-life")
    scan = _scan_start(dataset, half_life)
    waited = (scan - _injection(tracer, scan)).total_seconds()
    if not 0 <= waited <= _LONGEST_WAIT_S:
        raise HeaderError("the scan does not begin after the injection")
    return dose * 2 ** (-waited / half_life)


def _scan_start(dataset: Dataset, half_life: float) -> datetime:
    """The time to which decay is corrected: the series time, unless the series was derived after the acquisition."""
    series, acquired = _moment(dataset, "Series"), _moment(dataset, "Acquisition")
    if series is not None and (acquired is None or series <= acquired):
        return series
    stored = _private_text(dataset, _GE, _GE_SCAN_START)
    if stored and (start := _parsed(stored)) is not None:
        return start
    duration, reference = number_of(dataset, "ActualFrameDuration"), number_of(dataset, "FrameReferenceTime")
    if acquired is None or not duration or not reference:
        raise HeaderError("the header does not say when the scan began")
    rate = math.log(2) / half_life
    decayed = rate * duration / 1000
    middle = math.log(decayed / -math.expm1(-decayed)) / rate
    return acquired + timedelta(seconds=middle - reference / 1000)


def _injection(tracer: Dataset, scan: datetime) -> datetime:
    moment = _parsed(text_of(tracer, "RadiopharmaceuticalStartDateTime"))
    if moment is not None:
        return moment
    time = text_of(tracer, "RadiopharmaceuticalStartTime")
    moment = _parsed(scan.strftime("%Y%m%d") + time) if time else None
    if moment is None:
        raise HeaderError("the header does not say when the dose was given")
    return moment if moment <= scan else moment - timedelta(days=1)


def _moment(dataset: Dataset, of: str) -> datetime | None:
    date, time = text_of(dataset, f"{of}Date"), text_of(dataset, f"{of}Time")
    return _parsed(date + time) if date and time else None


def _parsed(text: str) -> datetime | None:
    """A DICOM date with time, without fraction and offset from UTC; None if it cannot be parsed."""
    digits = text.replace(":", "").split(".")[0].split("+")[0].split("-")[0].strip()
    pattern = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 10: "%Y%m%d%H"}.get(len(digits))
    if pattern is None or not digits.isdecimal():
        return None
    try:
        return datetime.strptime(digits, pattern)  # noqa: DTZ007 (both times of a difference are the scanner's)
    except ValueError:
        return None


def _private_text(dataset: Dataset, block: tuple[int, str], element: int) -> str:
    try:
        value = dataset.private_block(*block)[element].value
    except KeyError:
        return ""
    return value.decode("ascii", "ignore") if isinstance(value, bytes) else str(value)


def _private_number(dataset: Dataset, block: tuple[int, str], element: int) -> float:
    try:
        number = float(_private_text(dataset, block, element).strip(" \0") or 0)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


_KNOWN = ("CT", "MR", "PT", "NM")


def acquisition_of(files: Sequence[Path], modality: str) -> Acquisition:
    """Return the acquisition from the headers of one series, given its files and the Modality of the first."""
    source = "DICOM header" if modality in _KNOWN else ""
    if modality == "MR":
        return Acquisition(source=source, contrast=contrast_of_header(read_header(files[0])))
    if modality == "PT":
        headers = [read_header(file) for file in files]
        return replace(uptake_of(min(headers, key=_acquired)), source=source)
    return Acquisition(source=source)


def contrast_of_header(dataset: Dataset) -> str:
    """Return the contrast of an MR from its header, "" where it is not given."""
    agent = bool(text_of(dataset, "ContrastBolusAgent")) or item_of(dataset, "ContrastBolusAgentSequence") is not None
    names = [text_of(dataset, keyword) for keyword in ("SeriesDescription", "ProtocolName", "SequenceName")]
    if "DIFFUSION" in text_of(dataset, "ImageType").upper() or "ADC" in text_of(dataset, "ImageType").upper():
        return "DWI"
    return contrast_of_names(names, agent=agent) or contrast_of_times(
        *(_time(dataset, keyword) for keyword in ("EchoTime", "RepetitionTime", "InversionTime")), agent=agent
    )


def _time(dataset: Dataset, keyword: str) -> float | None:
    try:
        return number_of(dataset, keyword)
    except HeaderError:
        return None


def _acquired(dataset: Dataset) -> str:
    return text_of(dataset, "AcquisitionDate") + text_of(dataset, "AcquisitionTime")


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

    volumes: what it holds, separated on first use.
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
        """Read one volume; arguments and errors as for :func:`read_dicom_file`."""
        with called(self.source):
            listed = [(one.description, len(one.frames)) for one in self.volumes]
            found = chosen(printable_path(self.source), listed, volume)
            stack = stack_frames(self.volumes[found].frames, keep_tilt=keep_tilt)
            image = image_of(stack)
            acquisition = self._acquisition
            if any(scale.unit == REAL_WORLD for scale in chosen_scales([frame.scales for frame in stack.frames])):
                # The header's unit, and so the factor to SUV, apply to the stored values.
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
    """Find the one series that a folder, a file or a DICOMDIR contains.

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
                f"'{printable_path(source)}' holds two different files of the same image, "
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
