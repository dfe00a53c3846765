"""Tests of the least-squares fits."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.registration.engines.landmarks import Fit, agree, fit_affine, fit_rigid

# A quarter turn about z.
QUARTER = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
POINTS = np.random.default_rng(0).normal(scale=50, size=(20, 3))


def test_a_quarter_turn_and_a_shift_are_found() -> None:
    motion = fit_rigid(POINTS, POINTS @ QUARTER.T + (1, 2, 3))
    np.testing.assert_allclose(motion.matrix, QUARTER, atol=1e-12)
    np.testing.assert_allclose(motion.shift, (1, 2, 3), atol=1e-10)
    np.testing.assert_allclose(motion(np.array([[10.0, 0, 0]])), [[1, 12, 3]], atol=1e-10)


def test_a_mirror_image_is_met_by_a_rotation_all_the_same() -> None:
    assert np.isclose(np.linalg.det(fit_rigid(POINTS, POINTS * (-1, 1, 1)).matrix), 1)


def test_points_in_one_plane_are_enough_for_a_rotation() -> None:
    flat = POINTS * (1, 1, 0)
    np.testing.assert_allclose(fit_rigid(flat, flat @ QUARTER.T).matrix, QUARTER, atol=1e-12)


def test_scales_and_shears_are_found() -> None:
    matrix = np.array([[1.1, 0.2, 0.0], [0.0, 0.9, -0.1], [0.05, 0.0, 1.0]])
    motion = fit_affine(POINTS, POINTS @ matrix.T + (4, 5, 6))
    np.testing.assert_allclose(motion.matrix, matrix, atol=1e-12)
    np.testing.assert_allclose(motion.shift, (4, 5, 6), atol=1e-10)


def test_a_stack_of_sets_is_fitted_as_each_would_be_alone() -> None:
    sets = POINTS.reshape(5, 4, 3)
    for fit in (fit_rigid, fit_affine):
        stack = fit(sets, sets @ QUARTER.T + 7)
        alone = fit(sets[2], sets[2] @ QUARTER.T + 7)
        np.testing.assert_allclose(stack.matrix[2], alone.matrix, atol=1e-9)
        np.testing.assert_allclose(stack.shift[2], alone.shift, atol=1e-7)


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
