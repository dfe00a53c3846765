"""The check of a registration: figures and a verdict, from the images and the transform alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.check.figures import compare
from CSAFusionLib.registration.check.moves import Move
from CSAFusionLib.registration.check.plausibility import describe_transform
from CSAFusionLib.registration.check.rivals import find_rivals
from CSAFusionLib.registration.check.score import Score
from CSAFusionLib.registration.check.verdict import Verdict, judge

_STAGE = "Checking the registration"
_AWAY_MM = 8.0


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
    """Judge a transform, however it was found, by looking for a better one.

    fixed, moving: scalar float32, as :func:`CSAFusionLib.registration.preparation.prepare` makes them.
    transform: from fixed to moving points, LPS mm; linear or deformable.
    seed: of the random samples, 0 or more.

    Raises Cancelled from ``progress``.
    """
    on_step = partial(progress, _STAGE, 0, 0)
    on_step()
    figures = compare(fixed, moving, transform) | describe_transform(fixed, transform)
    figures |= _against_rivals(Score(*_from_the_smaller(fixed, moving, transform), seed=seed), on_step)
    return Check(figures, judge(figures))


def _from_the_smaller(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform
) -> tuple[sitk.Image, sitk.Image, sitk.Transform]:
    """The pair seen from the smaller field of view: what it shows stays the same wherever it is put in the larger."""
    sizes = (np.prod(np.multiply(image.GetSize(), image.GetSpacing())) for image in (moving, fixed))
    if transform.IsLinear() and np.less(*sizes):
        return moving, fixed, transform.GetInverse()
    return fixed, moving, transform


def _against_rivals(score: Score, on_step: partial[None]) -> dict[str, float]:
    """How the alignment stands against all others that a search finds; see :mod:`verdict` for what is made of it."""
    here, rivals = Move(), find_rivals(score, on_step)
    agreement, best = score(here), score(rivals.best)
    return {
        "agreement": agreement,
        "head_overlap": score.overlap(here),
        "best_share": agreement / best if best else 1.0,
        "better_mm": score.distance(here, rivals.best),
        "better_certainty": score.advantage(rivals.best, here),
        "elsewhere_share": score(rivals.elsewhere) / best if rivals.elsewhere and best else 0.0,
        "mirror_certainty": score.advantage(rivals.mirrored, rivals.best),
        "peak": 1 - _mean_score_away(score, rivals.best) / best if best else 0.0,
    }


def _mean_score_away(score: Score, move: Move) -> float:
    shifts = [score(move.shifted(axis, way * _AWAY_MM), 0.25) for axis in range(3) for way in (-1, 1)]
    return sum(shifts) / len(shifts)
