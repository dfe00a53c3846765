"""Find the motion on which most matches agree, whatever the others say."""

from __future__ import annotations

import numpy as np

from CSAFusionLib.registration.landmarks.fitting import Fit, Motion

# Enough pairs to fix a motion, rigid or affine.
SAMPLE = 4

_DRAWS = 1000
_ROUNDS = 10


def agree(
    points: np.ndarray, targets: np.ndarray, fit: Fit, *, tolerance_mm: float, seed: int
) -> tuple[Motion, np.ndarray]:
    """Fit a motion to those matches that agree with each other.

    points, targets: (N, 3) in mm, N at least ``SAMPLE``.
    tolerance_mm: a match agrees when the motion takes its point closer than this to its target.
    seed: of the random samples, 0 or more.

    Returns the motion with the least squared error over the matches that agree, and which those are, (N,) bool: random
    sample consensus (Fischler and Bolles 1981), then fits to all that agree until they stay the same.
    """
    drawn = np.random.default_rng(seed).random((_DRAWS, len(points))).argpartition(SAMPLE - 1)[:, :SAMPLE]
    trials = fit(points[drawn], targets[drawn])
    best = (_misfits(trials, points, targets) < tolerance_mm).sum(axis=1).argmax()
    motion = Motion(trials.matrix[best], trials.shift[best])
    agreeing = _misfits(motion, points, targets) < tolerance_mm
    for _ in range(_ROUNDS):
        if agreeing.sum() < SAMPLE:
            break
        motion = fit(points[agreeing], targets[agreeing])
        agreeing = _misfits(motion, points, targets) < tolerance_mm
    return motion, agreeing


def _misfits(motion: Motion, points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.linalg.norm(motion(points) - targets, axis=-1)
