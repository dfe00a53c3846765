"""Alternative optima: alignments that may be better, near, far away, and with left and right exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from CSAFusionLib.geometry.transform_algebra import rotation
from CSAFusionLib.registration.quality.perturbation import LEFT_RIGHT, Move
from CSAFusionLib.registration.quality.similarity import Similarity

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


def find_rivals(similarity: Similarity, on_step: Callable[[], None]) -> Rivals:
    """Search near and far; ``on_step`` is called after each climb and may raise to stop."""
    summits = []
    for start in _starts(similarity):
        summits.append(climb(similarity, start, _ROUGH_STEPS_MM, _ROUGH_SHARE))
        on_step()
    near = climb(similarity, Move(), _FINE_STEPS_MM)
    on_step()
    highest = climb(similarity, max(summits, key=similarity), _FINE_STEPS_MM)
    on_step()
    best = max(near, highest, key=similarity)
    elsewhere = [summit for summit in [*summits, near, highest] if similarity.distance(summit, best) > _ELSEWHERE_MM]
    mirrored = [Move(best.matrix @ LEFT_RIGHT, best.shift), Move(LEFT_RIGHT, similarity.moving_centre)]
    rough = [climb(similarity, start, _ROUGH_STEPS_MM, _ROUGH_SHARE) for start in mirrored]
    on_step()
    return Rivals(
        best,
        max(elsewhere, key=similarity, default=None),
        climb(similarity, max(rough, key=similarity), _FINE_STEPS_MM),
    )


def climb(similarity: Similarity, start: Move, steps_mm: tuple[float, float], share: float = 1.0) -> Move:
    """Walk from a move to the nearest summit of the similarity (pattern search, Hooke and Jeeves 1961).

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


def _starts(similarity: Similarity) -> Iterator[Move]:
    """Centre on centre, as it stands and turned about each axis."""
    yield Move(shift=similarity.moving_centre)
    for axis in range(3):
        for degrees in _TURNS_DEGREES:
            yield Move(rotation(axis, degrees), similarity.moving_centre)


def _steps(move: Move, axis: int, millimetres: float, radius: float) -> tuple[Move, Move]:
    """A step each way along one of three axes, or about it, such that a point of the head moves so far."""
    if axis < 3:
        return move.shifted(axis, millimetres), move.shifted(axis, -millimetres)
    degrees = float(np.degrees(millimetres / radius))
    return move.turned(axis - 3, degrees), move.turned(axis - 3, -degrees)
