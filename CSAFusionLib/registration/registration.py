"""A registration: what runs it, how freely the volume may move, what a given matrix means, and what is found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from CSAFusionLib import checks
from CSAFusionLib import lazy_simpleitk as sitk
from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.transform_algebra import linear_matrix
from CSAFusionLib.registration.quality.grading import Grade, Quality


class TransformModel(Enum):
    """How freely the moving volume may move."""

    RIGID = "rigid"
    AFFINE = "affine"
    BSPLINE = "bspline"
    SYN = "syn"
    RIGID_AFFINE_SYN = "rigid_affine_syn"

    @property
    def is_linear(self) -> bool:
        """Whether straight lines stay straight, so that a matrix is enough to save it."""
        return self in (TransformModel.RIGID, TransformModel.AFFINE)


class Method(Enum):
    """What does the registration; the values are the names that the command line and Python take."""

    AUTO = "auto"
    NONE = "none"
    SITK = "sitk"
    ANTS = "ants"
    ELASTIX = "elastix"
    LANDMARKS = "landmarks"
    BRAINS = "brains"

    @property
    def models(self) -> tuple[TransformModel, ...]:
        """The transform models this method can find; none for the header geometry, which ignores the model."""
        return _MODELS[self]

    @property
    def takes_masks(self) -> bool:
        """Whether it can restrict the comparison to masks."""
        return self is not Method.NONE


class MatrixKind(Enum):
    """What a bare matrix means.

    ``fsl`` is FLIRT's: from the moving volume to the fixed one, in FSL's own millimetres. ``ras`` is that of Greedy,
    NiftyReg and c3d: from the fixed volume to the moving one, in RAS mm.
    """

    FSL = "fsl"
    RAS = "ras"


_LINEAR = (TransformModel.RIGID, TransformModel.AFFINE)
_MODELS = {
    Method.AUTO: tuple(TransformModel),
    Method.NONE: (),
    Method.SITK: _LINEAR,
    Method.ANTS: (*_LINEAR, TransformModel.SYN, TransformModel.RIGID_AFFINE_SYN),
    Method.ELASTIX: (*_LINEAR, TransformModel.BSPLINE),
    Method.LANDMARKS: (*_LINEAR, TransformModel.BSPLINE),
    Method.BRAINS: (*_LINEAR, TransformModel.BSPLINE),
}


@dataclass(frozen=True)
class Registration:
    """A transform, how it was found, and how good it is.

    transform: takes points of the fixed volume to points of the moving volume, LPS mm (ITK's direction).
    method, model: what found it; the model is None for the header geometry.
    seconds: time the registration took.
    metric: figures by name, as :func:`CSAFusionLib.registration.quality.assessment.assess` gives them.
    quality: what the figures mean; None where nothing was assessed.
    warnings: sentences that change how the registration is read.
    given, started_from: the files (format and SHA-256) of a transform that replaced the registration, or from which it
      started; empty if there was none.
    masks: for each mask in which the volumes were compared, which volume it belongs to and its SHA-256.
    """

    transform: sitk.Transform
    method: Method
    model: TransformModel | None
    seconds: float
    metric: dict[str, float] = field(default_factory=dict)
    quality: Quality | None = None
    warnings: tuple[str, ...] = ()
    given: tuple[dict[str, str], ...] = ()
    started_from: tuple[dict[str, str], ...] = ()
    masks: tuple[dict[str, str], ...] = ()

    @property
    def verdict(self) -> Quality | None:
        """The quality, under its former name."""
        return self.quality

    @property
    def doubts(self) -> tuple[str, ...]:
        """A sentence if the quality is not good; none if it is good or was not assessed."""
        if self.quality is None or self.quality.grade is Grade.GOOD:
            return ()
        return (f"The registration is {self.quality.grade.value}: {self.quality.reason}",)

    @property
    def matrix(self) -> np.ndarray | None:
        """The (4, 4) matrix of a linear transform, LPS mm; None of any other."""
        return linear_matrix(self.transform) if self.transform.IsLinear() else None

    def describe(self) -> dict[str, Any]:
        """Return what provenance records: the finite figures and, for a linear transform, the matrix."""
        described: dict[str, Any] = {
            "method": self.method.name,
            "model": self.model and self.model.name,
            "seconds": round(self.seconds, 3),
            "metric": {name: float(value) for name, value in self.metric.items() if math.isfinite(value)},
            # The key has been "verdict" since the first version: other programs read it.
            "verdict": self.quality and {"level": self.quality.grade.value, "reason": self.quality.reason},
            "transform": self.transform.GetName(),
        }
        for name, files in (("given", self.given), ("started_from", self.started_from), ("masks", self.masks)):
            if files:
                described[name] = [*files]
        if self.matrix is not None:
            described["matrix_lps_mm"] = self.matrix.tolist()
        return described

    def to_dict(self) -> dict[str, Any]:
        """Return all but the transform as plain JSON values, for :meth:`from_dict`."""
        return {
            "method": self.method.name,
            "model": self.model and self.model.name,
            "seconds": self.seconds,
            "metric": self.metric,
            "verdict": self.quality and {"level": self.quality.grade.name, "reason": self.quality.reason},
            "warnings": [*self.warnings],
            "given": [*self.given],
            "started_from": [*self.started_from],
            "masks": [*self.masks],
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any], transform: sitk.Transform) -> Registration:
        """Return the registration of :meth:`to_dict`; InputError when something is missing or of a wrong type."""
        model, quality = checks.entry(saved, "model"), checks.entry(saved, "verdict")
        metric = checks.mapping(checks.entry(saved, "metric"), "figures of the registration")
        return cls(
            transform=transform,
            method=checks.parse_choice(Method, checks.entry(saved, "method"), "registration"),
            model=None if model is None else checks.parse_choice(TransformModel, model, "transform model"),
            seconds=checks.number_or_nan(checks.entry(saved, "seconds"), "time of the registration"),
            metric={name: checks.number_or_nan(value, name) for name, value in metric.items()},
            quality=None if quality is None else _quality(quality),
            warnings=tuple(checks.texts(saved.get("warnings", []), "warnings of the registration")),
            given=_files(saved.get("given", [])),
            started_from=_files(saved.get("started_from", [])),
            masks=_files(saved.get("masks", [])),
        )


def _files(values: object) -> tuple[dict[str, str], ...]:
    """What is recorded of transform or mask files, such as format and checksum."""
    if not isinstance(values, list):
        raise InputError(f"The files must be a list, not {checks.shown(values)}.")
    known = [checks.mapping(value, "file of a registration") for value in values]
    return tuple({name: checks.text(value, name) for name, value in one.items()} for one in known)


def _quality(values: object) -> Quality:
    saved = checks.mapping(values, "quality of a registration")
    return Quality(
        checks.parse_choice(Grade, checks.entry(saved, "level"), "grade"),
        checks.text(checks.entry(saved, "reason"), "reason of the quality"),
    )
