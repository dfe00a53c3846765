"""What a registration gives, whichever engine ran."""

from __future__ import annotations

from dataclasses import dataclass, field

import SimpleITK as sitk

from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.quality.grading import Quality


@dataclass(frozen=True)
class RegistrationResult:
    """A transform and how it was found.

    transform: takes points of the fixed volume to points of the moving volume, LPS mm (ITK's direction).
    method, model: what found it; the model is None for the header geometry.
    seconds: time the registration took.
    metric: quality figures by name, as :func:`CSAFusionLib.registration.quality.agreement.compare` gives them.
    quality: what the figures mean; None where nothing was checked.
    warnings: sentences that change how the registration is read.
    given, started_from: the files (format and SHA-256) of a transform that was used instead of a registration, or from
      which one started; empty where there was none.
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

    @property
    def verdict(self) -> Quality | None:
        """The quality, by the name it had before."""
        return self.quality
