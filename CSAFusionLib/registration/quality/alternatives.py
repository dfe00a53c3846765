"""Alternative optima: alignments that may be better, near, far away, and with left and right exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from CSAFusionLib.geometry.transform_algebra import rotation
from CSAFusionLib.registration.quality.perturbation import LEFT_RIGHT, RigidPerturbation
from CSAFusionLib.registration.quality.similarity import Similarity

# Wrong turns a search is drawn into: a head is round, and nearly the same upside down or back to front.
_TURNS_DEGREES = (180.0, 30.0, -30.0)

_ROUGH_SHARE = 1 / 8
_ROUGH_STEPS_MM = (16.0, 1.0)
_FINE_STEPS_MM = (4.0, 0.5)

# Two maxima nearer to each other are one.
_ELSEWHERE_MM = 15.0


@dataclass(frozen=True)
class AlternativeOptima:
    """The best alignment found anywhere, the best one that lies elsewhere, and the best one of the mirrored head."""

    best: RigidPerturbation
    elsewhere: RigidPerturbation | None
    mirrored: RigidPerturbation


def find_alternatives(similarity: Similarity, on_step: Callable[[], None]) -> AlternativeOptima:
    """Search near and far; ``on_step`` is called after each local search and may raise to stop."""
    maxima = []
    for start in _starts(similarity):
        maxima.append(pattern_search(similarity, start, _ROUGH_STEPS_MM, _ROUGH_SHARE))
        on_step()
    near = pattern_search(similarity, RigidPerturbation(), _FINE_STEPS_MM)
    on_step()
    highest = pattern_search(similarity, max(maxima, key=similarity), _FINE_STEPS_MM)
    on_step()
    best = max(near, highest, key=similarity)
    elsewhere = [maximum for maximum in [*maxima, near, highest] if similarity.distance(maximum, best) > _ELSEWHERE_MM]
    mirrored = [
        RigidPerturbation(best.matrix @ LEFT_RIGHT, best.shift),
        RigidPerturbation(LEFT_RIGHT, similarity.moving_centre),
    ]
    rough = [pattern_search(similarity, start, _ROUGH_STEPS_MM, _ROUGH_SHARE) for start in mirrored]
    on_step()
    return AlternativeOptima(
        best,
        max(elsewhere, key=similarity, default=None),
        pattern_search(similarity, max(rough, key=similarity), _FINE_STEPS_MM),
    )


def pattern_search(
    similarity: Similarity, start: RigidPerturbation, steps_mm: tuple[float, float], share: float = 1.0
) -> RigidPerturbation:
    """Walk from a perturbation to the nearest maximum of the similarity (pattern search, Hooke and Jeeves 1961).

    steps_mm: length of the first steps, halved down to that of the last.
    """
    step, last = steps_mm
    here, height = start, similarity(start, share)
    while step >= last:
        before = here
        for axis in range(6):
            for candidate in _steps(here, axis, step, similarity.radius):
                if (reached := similarity(candidate, share)) > height:
                    here, height = candidate, reached
                    break
        if here is before:
            step /= 2
        elif (reached := similarity(here.further(before), share)) > height:
            here, height = here.further(before), reached
    return here


def _starts(similarity: Similarity) -> Iterator[RigidPerturbation]:
    """Centre on centre, as it stands and turned about each axis."""
    yield RigidPerturbation(shift=similarity.moving_centre)
    for axis in range(3):
        for degrees in _TURNS_DEGREES:
            yield RigidPerturbation(rotation(axis, degrees), similarity.moving_centre)


def _steps(
    perturbation: RigidPerturbation, axis: int, millimetres: float, radius: float
) -> tuple[RigidPerturbation, RigidPerturbation]:
    """A step each way along one of three axes, or about it, such that a point of the head moves so far."""
    if axis < 3:
        return perturbation.shifted(axis, millimetres), perturbation.shifted(axis, -millimetres)
    degrees = float(np.degrees(millimetres / radius))
    return perturbation.turned(axis - 3, degrees), perturbation.turned(axis - 3, -degrees)
