"""Alternative optima: alignments that may be better, near, far away, and with left and right exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from CSAFusionLib.geometry.transform_algebra import rotation
from CSAFusionLib.registration.quality.perturbation import LEFT_RIGHT, Move
from CSAFusionLib.registration.quality.similarity import Score

# Wrong turns a search is drawn into: a head is round, and nearly the same upside down or back to front.
_TURNS_DEGREES = (180.0, 30.0, -30.0)

_ROUGH_SHARE = 1 / 8
_ROUGH_STEPS_MM = (16.0, 1.0)
_FINE_STEPS_MM = (4.0, 0.5)

# Two summits nearer to each other are one.
_ELSEWHERE_MM = 15.0


@dataclass(frozen=True)
class Rivals:
    """The best alignment found anywhere, the best one that lies elsewhere, and the best one of the mirrored head."""

    best: Move
    elsewhere: Move | None
    mirrored: Move


def find_rivals(score: Score, on_step: Callable[[], None]) -> Rivals:
    """Search near and far; ``on_step`` is called after each climb and may raise to stop."""
    summits = []
    for start in _starts(score):
        summits.append(climb(score, start, _ROUGH_STEPS_MM, _ROUGH_SHARE))
        on_step()
    near = climb(score, Move(), _FINE_STEPS_MM)
    on_step()
    highest = climb(score, max(summits, key=score), _FINE_STEPS_MM)
    on_step()
    best = max(near, highest, key=score)
    elsewhere = [summit for summit in [*summits, near, highest] if score.distance(summit, best) > _ELSEWHERE_MM]
    mirrored = [Move(best.matrix @ LEFT_RIGHT, best.shift), Move(LEFT_RIGHT, score.moving_centre)]
    rough = [climb(score, start, _ROUGH_STEPS_MM, _ROUGH_SHARE) for start in mirrored]
    on_step()
    return Rivals(best, max(elsewhere, key=score, default=None), climb(score, max(rough, key=score), _FINE_STEPS_MM))


def climb(score: Score, start: Move, steps_mm: tuple[float, float], share: float = 1.0) -> Move:
    """Walk from a move to the nearest summit of the score (pattern search, Hooke and Jeeves 1961).

    steps_mm: length of the first steps, halved down to that of the last.
    """
    step, last = steps_mm
    here, height = start, score(start, share)
    while step >= last:
        before = here
        for axis in range(6):
            for candidate in _steps(here, axis, step, score.radius):
                if (reached := score(candidate, share)) > height:
                    here, height = candidate, reached
                    break
        if here is before:
            step /= 2
        elif (reached := score(here.further(before), share)) > height:
            here, height = here.further(before), reached
    return here


def _starts(score: Score) -> Iterator[Move]:
    """Centre on centre, as it stands and turned about each axis."""
    yield Move(shift=score.moving_centre)
    for axis in range(3):
        for degrees in _TURNS_DEGREES:
            yield Move(rotation(axis, degrees), score.moving_centre)


def _steps(move: Move, axis: int, millimetres: float, radius: float) -> tuple[Move, Move]:
    """A step each way along one of three axes, or about it, such that a point of the head moves so far."""
    if axis < 3:
        return move.shifted(axis, millimetres), move.shifted(axis, -millimetres)
    degrees = float(np.degrees(millimetres / radius))
    return move.turned(axis - 3, degrees), move.turned(axis - 3, -degrees)
