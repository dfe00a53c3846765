"""What the headers of a DICOM series say of how it was acquired, and the SUV of a PET.

SUVbw, g/ml, by body weight, after the vendor-neutral pseudocode of QIBA (RSNA):
https://qibawiki.rsna.org/index.php/Standardized_Uptake_Value_(SUV).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from CSAFusionLib.volumes.acquisition import Acquisition, contrast_of_names, contrast_of_times
from CSAFusionLib.volumes.dicom.headers import HeaderError, item_of, number_of, read_header, text_of

if TYPE_CHECKING:
    from pydicom import Dataset


_PHILIPS = (0x7053, "Philips PET Private Group")
_PHILIPS_SUV, _PHILIPS_ACTIVITY = 0x00, 0x09
_GE = (0x0009, "GEMS_PETD_01")
_GE_SCAN_START = 0x0D
# DICOM's defined terms; whatever else stands there is no unit, and not for a report.
_UNITS = {
    "BQML": "Bq/ml", "GML": "g/ml", "CNTS": "counts", "PROPCNTS": "proportional counts", "CM2ML": "cm2/ml",
    "CPS": "counts/s", "PROPCPS": "proportional counts/s", "PCNT": "%", "CM2": "cm2", "1CM": "1/cm",
    "MGMINML": "mg/min/ml", "UMOLMINML": "umol/min/ml", "MLMING": "ml/min/g", "MLG": "ml/g", "UMOLML": "umol/ml",
    "MLMINML": "ml/min/ml", "MLML": "ml/ml", "STDDEV": "standard deviations",
}  # fmt: skip
_SUV_KINDS = ("BSA", "LBM", "LBMJAMES128", "LBMJANMA", "IBW")
# Doses of people and of small animals; smaller numbers are MBq or mCi that were written where Bq belong.
_LEAST_DOSE = 1e5
_LONGEST_WAIT_S = 7 * 86400
_HEAVIEST_KG = 500


def uptake_of(dataset: Dataset) -> Acquisition:
    """Return unit and SUV factor of a PET slice, from the header whose acquisition is the earliest of its series.

    If a required element is missing or contradicts another, the factor is 0, and the note says why. The note is kept
    with results, so it holds no value of the header's.
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
            known = f"SUV by {kind}" if kind in _SUV_KINDS else "SUV of a kind that DICOM does not know"
            raise HeaderError(f"its values are {known}, not by body weight")
        return 1.0
    if units == "CNTS":
        stored = _private_number(dataset, _PHILIPS, _PHILIPS_SUV)
        if stored:
            return stored
        activity = _private_number(dataset, _PHILIPS, _PHILIPS_ACTIVITY)
        if not activity:
            raise HeaderError("it holds counts and no factor of its maker's that leads to activity")
        return activity * _by_weight(dataset)
    if units != "BQML":
        known = f"its unit is {_UNITS[units]}" if units in _UNITS else "its unit leads to no activity"
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
        raise HeaderError("it does not say to which time its decay is corrected")
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
    """Return what the headers of one series say; its files, and the Modality of the first."""
    source = "DICOM header" if modality in _KNOWN else ""
    if modality == "MR":
        return Acquisition(source=source, contrast=contrast_of_header(read_header(files[0])))
    if modality == "PT":
        headers = [read_header(file) for file in files]
        return replace(uptake_of(min(headers, key=_acquired)), source=source)
    return Acquisition(source=source)


def contrast_of_header(dataset: Dataset) -> str:
    """Return the contrast of an MR from its header, "" where nothing tells it."""
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
