"""A fusion to do and its result, as files of one folder: what the two processes hand to each other."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.whole import content_writer
from CSAFusionLib.fusion.pipeline import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings, parse_choice
from CSAFusionLib.json_text import to_json
from CSAFusionLib.registration.check.verdict import Level, Verdict
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.result import RegistrationResult
from CSAFusionLib.registration.transforms import transform_writer
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.writing import volume_writer


@dataclass(frozen=True)
class Job:
    """The arguments of :func:`CSAFusionLib.fusion.pipeline.fuse_volumes`, able to travel."""

    fixed: Volume
    moving: Volume
    settings: FusionSettings
    registration: RegistrationResult | None = None
    region: sitk.Image | None = None
    contribution: bool = False


def save_job(job: Job, folder: Path) -> None:
    """Write a job into a folder, for :func:`load_job`.

    Raises OSError or RuntimeError when the disk refuses it.
    """
    description = {
        "fixed": _save_volume(job.fixed, folder / "fixed.nrrd"),
        "moving": _save_volume(job.moving, folder / "moving.nrrd"),
        "settings": job.settings.to_dict(),
        "registration": job.registration and _save_registration(job.registration, folder / "given_transform.h5"),
        "contribution": job.contribution,
    }
    _save_image(job.region, folder / "region.nrrd")
    _write_json(folder / "job.json", description)


def load_job(folder: Path) -> Job:
    """Read the job that :func:`save_job` wrote.

    Raises InputError when something of it is missing, damaged or of a wrong type.
    """
    description = _read_json(folder / "job.json")
    given = _entry(description, "registration")
    return Job(
        fixed=_load_volume(folder, _entry(description, "fixed")),
        moving=_load_volume(folder, _entry(description, "moving")),
        settings=FusionSettings.from_dict(_entry(description, "settings")),
        registration=None if given is None else _load_registration(folder, given),
        region=_load_image(folder / "region.nrrd"),
        contribution=checks.flag(_entry(description, "contribution"), "contribution"),
    )


def save_result(result: FusionResult, folder: Path) -> None:
    """Write a result into a folder, for :func:`load_result`.

    Raises OSError or RuntimeError when the disk refuses it.
    """
    for name in _IMAGES:
        _save_image(getattr(result, name), folder / f"{name}.nrrd")
    description = {
        "registration": _save_registration(result.registration, folder / "found_transform.h5"),
        "provenance": result.provenance,
        "warnings": result.warnings,
        "figures": result.figures,
    }
    _write_json(folder / "result.json", description)


def load_result(folder: Path) -> FusionResult:
    """Read the result that :func:`save_result` wrote; InputError when it is missing, damaged or of a wrong type."""
    description = _read_json(folder / "result.json")
    images = {name: _load_image(folder / f"{name}.nrrd") for name in _IMAGES}
    if any(images[name] is None for name in _IMAGES if name != "contribution"):
        raise _damaged(folder)
    return FusionResult(
        **images,
        registration=_load_registration(folder, _entry(description, "registration")),
        provenance=checks.mapping(_entry(description, "provenance"), "provenance"),
        warnings=_texts(_entry(description, "warnings"), "warnings"),
        figures=_lists_of_numbers(_entry(description, "figures")),
    )


_IMAGES = ("fused", "fixed_mapped", "moving_mapped", "moving_on_grid", "contribution")


def _save_image(image: sitk.Image | None, path: Path) -> None:
    if image is not None:
        volume_writer(image, compressed=False)(path)


def _load_image(path: Path) -> sitk.Image | None:
    """The image, or None where none was saved."""
    return _read_image(path) if path.exists() else None


def _read_image(path: Path) -> sitk.Image:
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise _damaged(path) from error


def _save_volume(volume: Volume, path: Path) -> dict[str, Any]:
    volume_writer(volume.image, compressed=False)(path)
    return {"file": path.name, "name": volume.name, "modality_hint": volume.modality_hint, "notes": volume.notes}


def _load_volume(folder: Path, values: object) -> Volume:
    saved = checks.mapping(values, "volume")
    hint = _entry(saved, "modality_hint")
    return Volume(
        _read_image(_file(folder, saved)),
        checks.text(_entry(saved, "name"), "name of a volume"),
        None if hint is None else checks.text(hint, "modality of a volume"),
        tuple(_texts(_entry(saved, "notes"), "notes")),
    )


def _save_registration(result: RegistrationResult, path: Path) -> dict[str, Any]:
    transform_writer(result.transform)(path)
    return {
        "file": path.name,
        "method": result.method.name,
        "model": result.model and result.model.name,
        "seconds": result.seconds,
        "metric": result.metric,
        "verdict": result.verdict and {"level": result.verdict.level.name, "reason": result.verdict.reason},
        "warnings": [*result.warnings],
    }


def _load_registration(folder: Path, values: object) -> RegistrationResult:
    saved = checks.mapping(values, "registration")
    model, verdict = _entry(saved, "model"), _entry(saved, "verdict")
    metric = checks.mapping(_entry(saved, "metric"), "figures of the registration")
    return RegistrationResult(
        transform=_read_transform(_file(folder, saved)),
        method=parse_choice(Method, _entry(saved, "method"), "registration"),
        model=None if model is None else parse_choice(TransformModel, model, "transform model"),
        seconds=_number(_entry(saved, "seconds"), "time of the registration"),
        metric={name: _number(value, name) for name, value in metric.items()},
        verdict=None if verdict is None else _load_verdict(verdict),
        warnings=tuple(_texts(saved.get("warnings", []), "warnings of the registration")),
    )


def _load_verdict(values: object) -> Verdict:
    saved = checks.mapping(values, "verdict")
    return Verdict(
        parse_choice(Level, _entry(saved, "level"), "verdict"),
        checks.text(_entry(saved, "reason"), "reason of the verdict"),
    )


def _read_transform(path: Path) -> sitk.Transform:
    try:
        return sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise _damaged(path) from error


def _entry(values: dict[str, Any], name: str) -> Any:
    if name not in values:
        raise InputError(f"The job says nothing of '{name}'; start it again.")
    return values[name]


def _file(folder: Path, saved: dict[str, Any]) -> Path:
    """A file of the job, which lies in its folder and nowhere else."""
    name = checks.text(_entry(saved, "file"), "file of the job")
    if Path(name).name != name:
        raise InputError(f"The job's file {checks.shown(name)} does not lie in its folder; start it again.")
    return folder / name


def _texts(values: object, what: str) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError(f"The {what} must be a list of texts, not {checks.shown(values)}.")
    return values


def _number(value: object, what: str) -> float:
    """A number; NaN, which JSON writes as null, where there is none."""
    hint = "a finite number"
    return math.nan if value is None else checks.number(value, what, hint, low=-math.inf, high=math.inf)


def _lists_of_numbers(values: object) -> dict[str, list[float]]:
    lists = checks.mapping(values, "figures")
    if not all(isinstance(entries, list) for entries in lists.values()):
        raise InputError("The figures must be lists of numbers.")
    return {name: [_number(entry, name) for entry in entries] for name, entries in lists.items()}


def _damaged(path: Path) -> InputError:
    return InputError(f"The job's file '{path.name}' is missing or damaged; check the free disk space and start again.")


def _write_json(path: Path, value: dict[str, Any]) -> None:
    content_writer(to_json(value))(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return checks.mapping(json.loads(path.read_text(encoding="utf-8")), "job")
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path) from error
