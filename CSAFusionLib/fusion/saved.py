"""A registration and figures as plain JSON values, and back, each checked as it is read."""

from __future__ import annotations

import math
from typing import Any

import SimpleITK as sitk

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import parse_choice
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.result import RegistrationResult


def registration_values(result: RegistrationResult) -> dict[str, Any]:
    """All of a registration but its transform."""
    return {
        "method": result.method.name,
        "model": result.model and result.model.name,
        "seconds": result.seconds,
        "metric": result.metric,
        "verdict": result.quality and {"level": result.quality.grade.name, "reason": result.quality.reason},
        "warnings": [*result.warnings],
        "given": [*result.given],
        "started_from": [*result.started_from],
    }


def registration_of(saved: dict[str, Any], transform: sitk.Transform) -> RegistrationResult:
    """The registration of :func:`registration_values`; InputError when something is missing or of a wrong type."""
    model, quality = entry(saved, "model"), entry(saved, "verdict")
    metric = checks.mapping(entry(saved, "metric"), "figures of the registration")
    return RegistrationResult(
        transform=transform,
        method=parse_choice(Method, entry(saved, "method"), "registration"),
        model=None if model is None else parse_choice(TransformModel, model, "transform model"),
        seconds=_number(entry(saved, "seconds"), "time of the registration"),
        metric={name: _number(value, name) for name, value in metric.items()},
        quality=None if quality is None else _quality(quality),
        warnings=tuple(texts(saved.get("warnings", []), "warnings of the registration")),
        given=_files(saved.get("given", [])),
        started_from=_files(saved.get("started_from", [])),
    )


def entry(values: dict[str, Any], name: str) -> Any:
    """One value by its name; InputError when it is missing."""
    if name not in values:
        raise InputError(f"The saved job or result says nothing of '{name}'; start it again.")
    return values[name]


def texts(values: object, what: str) -> list[str]:
    """A list of texts; InputError, which names ``what``, for anything else."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError(f"The {what} must be a list of texts, not {checks.shown(values)}.")
    return values


def lists_of_numbers(values: object) -> dict[str, list[float]]:
    """Lists of numbers by name, NaN where JSON has null; InputError for anything else."""
    lists = checks.mapping(values, "figures")
    if not all(isinstance(entries, list) for entries in lists.values()):
        raise InputError("The figures must be lists of numbers.")
    return {name: [_number(value, name) for value in entries] for name, entries in lists.items()}


def _files(values: object) -> tuple[dict[str, str], ...]:
    """What is known of transform files: their format and checksum."""
    if not isinstance(values, list):
        raise InputError(f"The transform files must be a list, not {checks.shown(values)}.")
    known = [checks.mapping(value, "transform file") for value in values]
    return tuple({name: checks.text(value, name) for name, value in one.items()} for one in known)


def _quality(values: object) -> Quality:
    saved = checks.mapping(values, "quality of a registration")
    return Quality(
        parse_choice(Grade, entry(saved, "level"), "quality of a registration"),
        checks.text(entry(saved, "reason"), "reason of its quality"),
    )


def _number(value: object, what: str) -> float:
    """A number; NaN, which JSON writes as null, where there is none."""
    hint = "a finite number"
    return math.nan if value is None else checks.number(value, what, hint, low=-math.inf, high=math.inf)
