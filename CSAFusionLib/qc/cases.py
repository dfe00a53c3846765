"""The cases of a page, from the folder of a batch or a folder of saved results, the least trusted first."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from CSAFusionLib import checks
from CSAFusionLib.batch.layout import Record, read_records
from CSAFusionLib.errors import InputError
from CSAFusionLib.qc.thumbnails import Load, Volumes
from CSAFusionLib.registration.transforms import read_transform
from CSAFusionLib.volumes.input_path import SeveralVolumesError
from CSAFusionLib.volumes.nifti_orientation import Orientation
from CSAFusionLib.volumes.reading import read_volume

FAILED, UNCHECKED = "failed", "unchecked"
_TRUST = ("bad", "doubtful", UNCHECKED, FAILED, "good")
"""From what needs a look most to what needs one least."""

_RESULT = "result.json"

_FIGURES = (
    ("Moved", "moved_mm", "{:.1f} mm"),
    ("Turned", "rotation_degrees", "{:.1f}°"),
    ("Best match elsewhere", "better_mm", "{:.1f} mm away"),
    ("Mutual information", "mutual_information_after", "{:.2f}"),
    ("Correlation", "correlation_after", "{:.2f}"),
    ("Overlap", "overlap_after", "{:.0%}"),
)
"""Title, name and form of the figures that a row shows."""


@dataclass(frozen=True)
class QcCase:
    """One row of the page.

    level: good, doubtful, bad, ``UNCHECKED`` or ``FAILED``. reason: of the verdict, or why it failed.
    figures: title and text. notes: sentences that change how the result is read.
    load: reads the volumes; None where there are none.
    """

    name: str
    level: str
    reason: str
    figures: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    apart_mm: float = 0.0
    load: Load | None = None

    @property
    def distrust(self) -> tuple[int, float, str]:
        """Sorts cases: the least trusted first."""
        return _TRUST.index(self.level), -self.apart_mm, self.name


def find_cases(folder: Path) -> list[QcCase]:
    """Return the cases that a folder holds, the least trusted first.

    folder: what ``csafusion batch`` wrote to, or one that holds folders of saved results
    (:meth:`CSAFusionLib.fusion.result.FusionResult.save`).

    Raises InputError when it is none of the two, or a record in it is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder; give the one that csafusion batch wrote to.")
    results = sorted(file.parent for file in folder.glob(f"*/{_RESULT}"))
    if results:
        cases = [_of_result(result) for result in results]
    else:
        cases = [_of_record(record) for record in read_records(folder)]
    return sorted(cases, key=lambda case: case.distrust)


def _of_record(record: Record) -> QcCase:
    if record.failed:
        return QcCase(record.name, FAILED, record.sentence)
    return _case(record.name, record.values, partial(_load_record, record))


def _of_result(folder: Path) -> QcCase:
    try:
        saved = checks.mapping(json.loads((folder / _RESULT).read_text(encoding="utf-8")), "saved result")
        provenance = checks.mapping(saved.get("provenance"), "provenance")
    except (OSError, ValueError, RecursionError, InputError):
        return QcCase(folder.name, FAILED, f"Its {_RESULT} cannot be read; save the result again.")
    return _case(folder.name, provenance, partial(_load_result, folder, provenance))


def _case(name: str, values: Mapping[str, Any], load: Load) -> QcCase:
    """A case from its provenance; what another version wrote otherwise is left out."""
    registration = _mapping(values.get("registration"))
    verdict, metric = (_mapping(registration.get(key)) for key in ("verdict", "metric"))
    level = str(verdict.get("level", UNCHECKED))
    kinds = " to ".join(str(_mapping(values.get(role)).get("modality", "?")) for role in ("moving", "fixed"))
    by = str(registration.get("method", "?")).lower()
    figures = [("Modalities", kinds), ("Registration", by)]
    figures += [(title, form.format(metric[key])) for title, key, form in _FIGURES if _is_number(metric.get(key))]
    misalignment = _mapping(registration.get("misalignment")).get("sentence")
    said = [misalignment] if misalignment else []
    warnings = values.get("warnings")
    said += warnings if isinstance(warnings, list) else []
    reason = str(verdict.get("reason", "Nothing was checked."))
    return QcCase(
        name=name,
        level=level if level in _TRUST else UNCHECKED,
        reason=reason,
        figures=tuple(figures),
        notes=tuple(str(one) for one in said if reason not in str(one)),
        apart_mm=float(metric["better_mm"]) if _is_number(metric.get("better_mm")) else 0.0,
        load=load,
    )


def _load_record(record: Record) -> Volumes:
    values = record.values
    named = str(values.get("orientation") or Orientation.HEADER.name).upper()
    orientation = Orientation[named] if named in Orientation.__members__ else Orientation.HEADER
    fused, registered = (read_volume(record.output(role)).image for role in ("fused", "registered"))
    fixed: sitk.Image | None = None
    missing = ""
    try:
        fixed = _read_fixed(record.input("fixed"), values.get("volume"), orientation)
        if fixed.GetSize() != fused.GetSize():
            fixed, missing = None, f"The fixed volume '{record.input('fixed')}' is not the one that was fused."
    except InputError as error:
        missing = f"The fixed volume is not shown: {error}"
    return Volumes(
        fixed,
        registered,
        fused,
        read_transform(record.output("transform")),
        _scale(values.get("fixed")),
        _scale(values.get("moving")),
        missing,
        _read_off(record),
        str(_mapping(_mapping(values.get("registration")).get("misalignment")).get("sentence", "")),
    )


def _read_off(record: Record) -> sitk.Image | None:
    """The map of misalignment that a case has; None where it has none any more."""
    if "misalignment" not in record.values["outputs"]:
        return None
    try:
        return read_volume(record.output("misalignment")).image
    except InputError:
        return None


def _load_result(folder: Path, provenance: Mapping[str, Any]) -> Volumes:
    fixed, registered, fused = (
        read_volume(folder / f"{name}.nrrd", keep_shear=True).image
        for name in ("fixed_mapped", "moving_mapped", "fused")
    )
    return Volumes(fixed, registered, fused, read_transform(folder / "transform.h5"))


def _scale(role: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """The intensities of a role and the brightness each was shown with, as the provenance tells them."""
    told = _mapping(role)
    knee = _mapping(told.get("knee"))
    if not (_is_number(told.get("black")) and _is_number(told.get("white"))):
        return None
    black, white = float(told["black"]), float(told["white"])
    if _is_number(knee.get("value")) and _is_number(knee.get("brightness")):
        return (black, float(knee["value"]), white), (0.0, float(knee["brightness"]), 1.0)
    return (black, white), (0.0, 1.0)


def _read_fixed(path: Path, choice: Any, orientation: Orientation) -> sitk.Image:
    """The fixed volume of a case. choice: what its ``--volume`` was, "2", "2,1" or None."""
    numbers = [int(part) for part in str(choice or "").split(",") if part.strip().isdecimal()]
    try:
        return read_volume(path, numbers[0] if len(numbers) > 1 else None, orientation=orientation).image
    except SeveralVolumesError:
        return read_volume(path, numbers[0] if numbers else None, orientation=orientation).image


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
