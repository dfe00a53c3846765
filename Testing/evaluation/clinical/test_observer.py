from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy.stats import norm

from CSAFusionLib.evaluation.clinical.observer import area_under_roc, channels, look_at, train_observer

SIDE = 41


def test_the_channels_are_orthonormal_and_round() -> None:
    made = channels(10)
    np.testing.assert_allclose(made @ made.T, np.eye(6), atol=1e-10)
    squares = made.reshape(6, SIDE, SIDE)
    np.testing.assert_allclose(squares, squares.transpose(0, 2, 1), atol=1e-10)


def test_a_place_is_looked_at_through_every_channel() -> None:
    image = np.zeros((100, 90))
    image[30 : 30 + SIDE, 20 : 20 + SIDE] = channels(6)[2].reshape(SIDE, SIDE)
    np.testing.assert_allclose(look_at(image, 50, 40, 6), np.eye(6)[2], atol=1e-10)


@pytest.mark.parametrize("detectability", [0.5, 1.0, 2.0])
def test_in_white_noise_the_area_under_the_curve_is_that_of_the_known_detectability(detectability: float) -> None:
    random = np.random.default_rng(0)
    signal = detectability * channels(10)[0].reshape(SIDE, SIDE)
    noise = random.standard_normal((4, 3000, SIDE, SIDE), dtype=np.float32)
    train, test = (
        [np.stack([look_at(image, 20, 20, 10) for image in images]) for images in (absent, present + signal)]
        for absent, present in (noise[:2], noise[2:])
    )
    observer = train_observer(*train, internal_noise=0, display_noise=0)
    ratings = [observer.ratings(responses, random) for responses in test]
    # The area of two normal distributions: Phi(d' / sqrt 2).
    assert area_under_roc(*ratings) == pytest.approx(norm.cdf(detectability / sqrt(2)), abs=0.02)


def test_internal_noise_lowers_the_detectability_as_it_should() -> None:
    random = np.random.default_rng(1)
    absent, present = random.standard_normal((2, 20000, 6))
    present[:, 0] += 1.5
    observer = train_observer(absent, present, internal_noise=1.0, display_noise=0)
    area = area_under_roc(observer.ratings(absent, random), observer.ratings(present, random))
    # Twice the variance: the detectability falls by the root of two.
    assert area == pytest.approx(norm.cdf(1.5 / sqrt(2) / sqrt(2)), abs=0.01)


def test_a_contrast_below_what_a_display_shows_is_not_seen_however_little_noise_there_is() -> None:
    random = np.random.default_rng(2)
    absent, present = 1e-4 * random.standard_normal((2, 4000, 6))
    present[:, 0] += 1e-3
    seen, unseen = (
        area_under_roc(*(observer.ratings(responses, random) for responses in (absent, present)))
        for observer in (train_observer(absent, present, display_noise=noise) for noise in (0, 0.02))
    )
    assert seen > 0.99
    assert unseen < 0.6


def test_the_area_counts_ties_half() -> None:
    assert area_under_roc(np.array([1, 2]), np.array([3, 4])) == 1
    assert area_under_roc(np.array([1, 2]), np.array([1, 2])) == 0.5
    assert area_under_roc(np.array([0, 2]), np.array([1])) == 0.5
