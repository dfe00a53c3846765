"""Tests of the consensus among matches."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.registration.landmarks.consensus import agree
from CSAFusionLib.registration.landmarks.fitting import Fit, fit_affine, fit_rigid

TURN = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
COUNT, OUTLIERS = 200, 80


def _matches() -> tuple[np.ndarray, np.ndarray]:
    """Known matches with half a millimetre of noise; of the first 40 % the targets are anywhere."""
    random = np.random.default_rng(0)
    points = random.uniform(-80, 80, size=(COUNT, 3))
    targets = points @ TURN.T + (5, -3, 8) + random.normal(scale=0.5, size=points.shape)
    targets[:OUTLIERS] += random.uniform(-60, 60, size=(OUTLIERS, 3))
    return points, targets


@pytest.mark.parametrize("fit", [fit_rigid, fit_affine])
def test_a_motion_is_recovered_from_matches_of_which_two_in_five_are_wrong(fit: Fit) -> None:
    points, targets = _matches()
    motion, agreeing = agree(points, targets, fit, tolerance_mm=3.0, seed=0)
    assert np.linalg.norm(motion(points) - (points @ TURN.T + (5, -3, 8)), axis=1).max() < 0.5
    assert agreeing[OUTLIERS:].all()
    assert agreeing[:OUTLIERS].sum() <= 2
    # A single fit to all of them is led astray.
    assert np.linalg.norm(fit(points, targets).shift - (5, -3, 8)) > 1


def test_the_same_seed_gives_the_same_motion() -> None:
    points, targets = _matches()
    first, again = (agree(points, targets, fit_rigid, tolerance_mm=3.0, seed=5)[0] for _ in range(2))
    assert (first.matrix == again.matrix).all()
    assert (first.shift == again.shift).all()


def test_among_matches_at_random_few_agree() -> None:
    random = np.random.default_rng(1)
    points = random.uniform(-80, 80, size=(COUNT, 3))
    _, agreeing = agree(
        points, points + random.uniform(-12, 12, size=points.shape), fit_rigid, tolerance_mm=4.0, seed=0
    )
    assert 4 <= agreeing.sum() < 0.2 * COUNT
