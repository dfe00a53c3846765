"""A fusion to do and its result, as files of one folder: what the two processes hand to each other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from CSAFusionLib.fusion.pipeline import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.check.verdict import Level, Verdict
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.result import RegistrationResult
from CSAFusionLib.volumes.volume import Volume


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
    """Write a job into a folder, for :func:`load_job`."""
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
    """Read the job that :func:`save_job` wrote."""
    description = _read_json(folder / "job.json")
    given = description["registration"]
    return Job(
        fixed=_load_volume(folder, description["fixed"]),
        moving=_load_volume(folder, description["moving"]),
        settings=FusionSettings.from_dict(description["settings"]),
        registration=given and _load_registration(folder, given),
        region=_load_image(folder / "region.nrrd"),
        contribution=description["contribution"],
    )


def save_result(result: FusionResult, folder: Path) -> None:
    """Write a result into a folder, for :func:`load_result`."""
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
    """Read the result that :func:`save_result` wrote."""
    description = _read_json(folder / "result.json")
    return FusionResult(
        **{name: _load_image(folder / f"{name}.nrrd") for name in _IMAGES},
        registration=_load_registration(folder, description["registration"]),
        provenance=description["provenance"],
        warnings=description["warnings"],
        figures=description["figures"],
    )


_IMAGES = ("fused", "fixed_mapped", "moving_mapped", "moving_on_grid", "contribution")


def _save_image(image: sitk.Image | None, path: Path) -> None:
    if image is not None:
        sitk.WriteImage(image, str(path))


def _load_image(path: Path) -> sitk.Image | None:
    """The image, or None where none was saved."""
    return sitk.ReadImage(str(path)) if path.exists() else None


def _save_volume(volume: Volume, path: Path) -> dict[str, Any]:
    sitk.WriteImage(volume.image, str(path))
    return {"file": path.name, "name": volume.name, "modality_hint": volume.modality_hint, "notes": volume.notes}


def _load_volume(folder: Path, saved: dict[str, Any]) -> Volume:
    return Volume(
        sitk.ReadImage(str(folder / saved["file"])), saved["name"], saved["modality_hint"], tuple(saved["notes"])
    )


def _save_registration(result: RegistrationResult, path: Path) -> dict[str, Any]:
    sitk.WriteTransform(result.transform, str(path))
    return {
        "file": path.name,
        "method": result.method.name,
        "model": result.model and result.model.name,
        "seconds": result.seconds,
        "metric": result.metric,
        "verdict": result.verdict and {"level": result.verdict.level.name, "reason": result.verdict.reason},
    }


def _load_registration(folder: Path, saved: dict[str, Any]) -> RegistrationResult:
    verdict = saved["verdict"]
    return RegistrationResult(
        transform=sitk.ReadTransform(str(folder / saved["file"])),
        method=Method[saved["method"]],
        model=saved["model"] and TransformModel[saved["model"]],
        seconds=saved["seconds"],
        metric=saved["metric"],
        verdict=verdict and Verdict(Level[verdict["level"]], verdict["reason"]),
    )


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
