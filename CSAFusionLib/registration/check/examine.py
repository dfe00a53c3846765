"""The check of a registration: figures and a verdict, from the images and the transform alone."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.check.figures import compare
from CSAFusionLib.registration.check.plausibility import describe_transform
from CSAFusionLib.registration.check.verdict import Verdict, judge

_STAGE = "Checking the registration"


@dataclass(frozen=True)
class Check:
    """Figures of a registration by name, and what they mean.

    ``figures["agreement"]`` ranks transforms of one pair: the higher, the better.
    """

    figures: dict[str, float]
    verdict: Verdict


def examine(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, *, seed: int = 0, progress: Progress = silent
) -> Check:
    """Judge a transform, however it was found.

    fixed, moving: scalar float32, as :func:`CSAFusionLib.registration.preparation.prepare` makes them.
    transform: from fixed to moving points, LPS mm; linear or deformable.
    seed: of the random samples, 0 or more.

    Raises Cancelled from ``progress``.
    """
    progress(_STAGE, 0, 0)
    figures = compare(fixed, moving, transform) | describe_transform(fixed, transform)
    figures["agreement"] = figures["mutual_information_after"] * figures["overlap_after"]
    return Check(figures, judge(figures))
