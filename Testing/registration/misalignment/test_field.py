"""A smooth field of shifts through matches of which some are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.registration.shift_field import PRIOR_MM, ShiftField


@pytest.fixture
def places() -> np.ndarray:
    """Places all over a head, mm."""
    return np.random.default_rng(1).uniform(-60, 60, (400, 3))


def bent(points: np.ndarray) -> np.ndarray:
    """A smooth shift of up to 3 mm, which grows from right to left."""
    return np.stack([np.zeros(len(points)), 1.5 + points[:, 0] / 40, np.zeros(len(points))], axis=1)


def test_a_smooth_shift_is_found_and_its_error_told(places: np.ndarray) -> None:
    random = np.random.default_rng(0)
    field = ShiftField.through(places, bent(places) + random.normal(0, 0.3, places.shape))
    asked = random.uniform(-50, 50, (200, 3))
    found = field.at(asked)
    errors = np.linalg.norm(found.shift - bent(asked), axis=1)
    assert errors.mean() < 0.4
    assert np.mean(errors < 3 * found.deviation) > 0.9
    assert found.agreeing.min() > 0.7


def test_matches_that_went_astray_do_not_bend_the_field(places: np.ndarray) -> None:
    random = np.random.default_rng(0)
    shifts = bent(places) + random.normal(0, 0.3, places.shape)
    astray = random.random(len(places)) < 0.3
    shifts[astray] = random.uniform(-6, 6, (astray.sum(), 3))
    found = ShiftField.through(places, shifts).at(places)
    assert np.linalg.norm(found.shift - bent(places), axis=1).mean() < 0.6
    assert 0.5 < found.agreeing.mean() < 0.9


def test_matches_at_random_agree_nowhere(places: np.ndarray) -> None:
    shifts = np.random.default_rng(0).normal(0, 2.5, places.shape)
    assert ShiftField.through(places, shifts).at(places).agreeing.max() < 0.5


def test_far_from_all_matches_nothing_is_known(places: np.ndarray) -> None:
    found = ShiftField.through(places, bent(places)).at(np.array([[300.0, 0.0, 0.0]]))
    assert found.deviation[0] == pytest.approx(PRIOR_MM)
    assert found.agreeing[0] == pytest.approx(0, abs=1e-9)


def test_without_a_match_nothing_is_known() -> None:
    found = ShiftField.through(np.zeros((0, 3)), np.zeros((0, 3))).at(np.zeros((2, 3)))
    assert np.array_equal(found.deviation, [PRIOR_MM] * 2)
    assert np.array_equal(found.shift, np.zeros((2, 3)))
