"""A fusion job, its progress and its result, in the form that the host and its child process exchange.

Job and result are files of one folder. The child reports each step as a line on standard output, read as an event.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from CSAFusionLib import checks
from CSAFusionLib.checks import entry, lists_of_numbers, texts
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import content_writer
from CSAFusionLib.fusion.result import CONTRIBUTION, IMAGES, FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.registration import NO_MASKS, Registration, RegistrationMasks
from CSAFusionLib.registration.transforms import transform_writer
from CSAFusionLib.text import to_json
from CSAFusionLib.volumes.volume import Acquisition, Volume
from CSAFusionLib.volumes.writing import volume_writer

_MASKS = ("fixed", "moving")


@dataclass(frozen=True)
class Job:
    """The arguments of :func:`CSAFusionLib.fusion.pipeline.fuse_volumes`, which can be saved to files.

    masks: where the registration compares the volumes, if it is not known already; they come from memory.
    """

    fixed: Volume
    moving: Volume
    settings: FusionSettings
    registration: Registration | None = None
    region: sitk.Image | None = None
    contribution: bool = False
    masks: RegistrationMasks = NO_MASKS


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
    for role in _MASKS:
        _save_image(getattr(job.masks, role), folder / f"mask_{role}.nrrd")
    _write_json(folder / "job.json", description)


def load_job(folder: Path) -> Job:
    """Read the job that :func:`save_job` wrote.

    Raises InputError when a part of it is missing, damaged or of a wrong type.
    """
    description = _read_json(folder / "job.json")
    given = entry(description, "registration")
    return Job(
        fixed=_load_volume(folder, entry(description, "fixed")),
        moving=_load_volume(folder, entry(description, "moving")),
        settings=FusionSettings.from_dict(entry(description, "settings")),
        registration=None if given is None else _load_registration(folder, given),
        region=_load_image(folder / "region.nrrd"),
        contribution=checks.flag(entry(description, "contribution"), "contribution"),
        masks=RegistrationMasks.in_memory(*(_load_image(folder / f"mask_{role}.nrrd") for role in _MASKS)),
    )


def save_result(result: FusionResult, folder: Path) -> None:
    """Write a result into a folder, for :func:`load_result`.

    Raises OSError or RuntimeError when the disk refuses it.
    """
    for name in (*IMAGES, CONTRIBUTION):
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
    images = {name: _load_image(folder / f"{name}.nrrd") for name in (*IMAGES, CONTRIBUTION)}
    if any(images[name] is None for name in IMAGES):
        raise _damaged(folder)
    return FusionResult(
        **images,
        registration=_load_registration(folder, entry(description, "registration")),
        provenance=checks.mapping(entry(description, "provenance"), "provenance"),
        warnings=texts(entry(description, "warnings"), "warnings"),
        figures=lists_of_numbers(entry(description, "figures")),
    )


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
    return {
        "file": path.name,
        "name": volume.name,
        "modality_hint": volume.modality_hint,
        "notes": volume.notes,
        "acquisition": volume.acquisition.to_dict(),
    }


def _load_volume(folder: Path, values: object) -> Volume:
    saved = checks.mapping(values, "volume")
    hint = entry(saved, "modality_hint")
    return Volume(
        _read_image(_file(folder, saved)),
        checks.text(entry(saved, "name"), "name of a volume"),
        None if hint is None else checks.text(hint, "modality of a volume"),
        tuple(texts(entry(saved, "notes"), "notes")),
        acquisition=Acquisition.from_dict(saved.get("acquisition", {})),
    )


def _save_registration(result: Registration, path: Path) -> dict[str, Any]:
    transform_writer(result.transform)(path)
    return {"file": path.name, **result.to_dict()}


def _load_registration(folder: Path, values: object) -> Registration:
    saved = checks.mapping(values, "registration")
    return Registration.from_dict(saved, _read_transform(_file(folder, saved)))


def _read_transform(path: Path) -> sitk.Transform:
    try:
        return sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise _damaged(path) from error


def _file(folder: Path, saved: dict[str, Any]) -> Path:
    """A file of the job, which lies in its folder and nowhere else."""
    name = checks.text(entry(saved, "file"), "file of the job")
    if Path(name).name != name:
        raise InputError(f"The job's file {checks.shown(name)} does not lie in its folder; start it again.")
    return folder / name


def _damaged(path: Path) -> InputError:
    return InputError(f"The job's file '{path.name}' is missing or damaged; check the free disk space and start again.")


def _write_json(path: Path, value: dict[str, Any]) -> None:
    content_writer(to_json(value))(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return checks.mapping(json.loads(path.read_text(encoding="utf-8")), "job")
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path) from error


@dataclass(frozen=True)
class ProgressEvent:
    """``done`` of ``total`` steps of ``stage`` are done; ``total`` is 0 where it is unknown."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class ResultEvent:
    """The job is done; nothing follows."""

    result: FusionResult


@dataclass(frozen=True)
class ErrorEvent:
    """The job failed; nothing follows. ``message`` is one sentence for the user, ``details`` is for the log."""

    message: str
    details: str = ""


@dataclass(frozen=True)
class CancelledEvent:
    """The job was cancelled and has ended; nothing follows."""


Event = ProgressEvent | ResultEvent | ErrorEvent | CancelledEvent


def progress_line(stage: str, done: int, total: int) -> str:
    """A report of progress as one line of JSON."""
    return json.dumps({"event": "progress", "stage": stage, "done": done, "total": total})


def error_line(message: str) -> str:
    """The end of a job that failed for a reason the user can understand, as one line of JSON."""
    return json.dumps({"event": "error", "message": message})


def result_line() -> str:
    """The end of a job whose result lies in its folder, as one line of JSON."""
    return json.dumps({"event": "result"})
