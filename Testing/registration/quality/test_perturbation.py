"""Small changes of an alignment."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.registration.quality.similarity import LEFT_RIGHT, RigidPerturbation

POINTS = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]])


def test_no_move_leaves_all_points_and_a_shift_takes_them_along_its_axis() -> None:
    np.testing.assert_array_equal(RigidPerturbation()(POINTS), POINTS)
    np.testing.assert_array_equal(RigidPerturbation().shifted(1, -3.0)(POINTS) - POINTS, [[0, -3, 0]] * 2)


def test_a_turn_keeps_the_place_where_the_centre_is_taken() -> None:
    perturbation = RigidPerturbation().shifted(0, 7.0).turned(2, 30.0)
    np.testing.assert_allclose(perturbation(np.zeros((1, 3))), [[7, 0, 0]])


def test_a_step_taken_once_more_goes_twice_as_far() -> None:
    since = RigidPerturbation().shifted(0, 2.0).turned(1, 5.0)
    again = since.shifted(2, 1.5).turned(1, 10.0).further(since)
    expected = since.shifted(2, 3.0).turned(1, 20.0)
    np.testing.assert_allclose(again(POINTS), expected(POINTS))


def test_mirroring_exchanges_left_and_right_alone() -> None:
    assert np.linalg.det(LEFT_RIGHT) == pytest.approx(-1)
    np.testing.assert_array_equal(RigidPerturbation(LEFT_RIGHT)(POINTS), POINTS * [-1, 1, 1])
