"""The model observer, its table and its bound; and the attainable limit of an indicator."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.stats import norm

from CSAFusionLib.evaluation import observer, statistics
from CSAFusionLib.evaluation.attainable_limit import attainable
from CSAFusionLib.evaluation.clinical.lesions import LESION_KINDS
from CSAFusionLib.evaluation.fusion_methods import average, maximum
from CSAFusionLib.evaluation.observer import (
    BETTER_SOURCE,
    BOUND,
    KNOTS,
    SOURCES,
    area_under_roc,
    channels,
    compare_areas,
    fused_by,
    look_at,
    observe,
    optimised_table,
    summarise_observer,
    train_observer,
)
from CSAFusionLib.metrics.measure import measure
from CSAFusionLib.training.pairs import ImagePair, PairKind

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
    ratings = [observer.ratings(responses, random.standard_normal(responses.shape)) for responses in test]
    # The area of two normal distributions: Phi(d' / sqrt 2).
    assert area_under_roc(*ratings) == pytest.approx(norm.cdf(detectability / sqrt(2)), abs=0.02)


def test_internal_noise_lowers_the_detectability_as_it_should() -> None:
    random = np.random.default_rng(1)
    absent, present = random.standard_normal((2, 20000, 6))
    present[:, 0] += 1.5
    observer = train_observer(absent, present, internal_noise=1.0, display_noise=0)
    drawn = random.standard_normal((2, 20000, 6))
    area = area_under_roc(observer.ratings(absent, drawn[0]), observer.ratings(present, drawn[1]))
    # Twice the variance: the detectability falls by the root of two.
    assert area == pytest.approx(norm.cdf(1.5 / sqrt(2) / sqrt(2)), abs=0.01)


def test_a_contrast_below_what_a_display_shows_is_not_seen_however_little_noise_there_is() -> None:
    random = np.random.default_rng(2)
    absent, present = 1e-4 * random.standard_normal((2, 4000, 6))
    present[:, 0] += 1e-3
    seen, unseen = (
        area_under_roc(*map(observer.ratings, (absent, present), random.standard_normal((2, 4000, 6))))
        for observer in (train_observer(absent, present, display_noise=noise) for noise in (0, 0.02))
    )
    assert seen > 0.99
    assert unseen < 0.6


def test_the_area_counts_ties_half() -> None:
    assert area_under_roc(np.array([1, 2]), np.array([3, 4])) == 1
    assert area_under_roc(np.array([1, 2]), np.array([1, 2])) == 0.5
    assert area_under_roc(np.array([0, 2]), np.array([1])) == 0.5


METHODS = {"average": lambda pair: average, "A alone": lambda pair: lambda a, b: a}


def a_pair(seed: int) -> ImagePair:
    """Two unlike textures in a head that fills the slice."""
    noise = np.random.default_rng(seed).normal(size=(2, 300, 300))
    texture = ndimage.gaussian_filter(noise, (0, 2, 2))
    a, b = (0.5 + 0.06 * texture / texture.std()).clip(0.2, 0.8).astype(np.float32)
    return ImagePair(a, b, PairKind.T1_T2, f"{seed}-001", patient=str(seed))


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    pairs = [a_pair(seed) for seed in range(6)]
    return observe(METHODS, pairs[:4], pairs[4:])


@pytest.fixture(scope="module")
def table(ratings: pd.DataFrame) -> pd.DataFrame:
    return summarise_observer(ratings).set_index("method")


def test_sources_and_methods_are_rated_on_the_pairs_that_were_not_trained_on(ratings: pd.DataFrame) -> None:
    assert set(ratings["method"]) == {*SOURCES, *METHODS}
    assert set(ratings["patient"]) == {"4", "5"}


def test_each_kind_of_lesion_is_seen_where_it_is(table: pd.DataFrame) -> None:
    assert table.loc["A", "A only"] > 0.8
    assert table.loc["A", "B only"] == 0.5
    assert table.loc["B", "B only"] > 0.8
    assert table.loc["A alone", "B only"] == 0.5
    assert table.loc["A and B side by side", "opposite signs"] > table.loc["A", "opposite signs"] - 0.02
    # The mean of a darker and a brighter lesion is none.
    assert table.loc["average", "opposite signs"] == pytest.approx(0.5, abs=0.08)
    assert table.loc["average", "same sign"] > 0.85


def test_a_copy_of_a_source_is_seen_as_well_as_the_source(table: pd.DataFrame) -> None:
    assert table.loc["A alone", "A only"] == table.loc["A", "A only"]


def test_a_method_is_set_against_the_better_source_and_the_average(
    ratings: pd.DataFrame, table: pd.DataFrame, few_draws: None
) -> None:
    compared = compare_areas(ratings, "average").set_index("lesion")
    for lesion in LESION_KINDS:
        of_average, better = table.loc["average", lesion], table.loc[["A", "B"], lesion].max()
        assert compared.loc[lesion, f"less {BETTER_SOURCE}"] == pytest.approx(of_average - better, abs=1e-3)
        # Both sides of a difference draw the same slices: a method never differs from itself.
        assert compared.loc[lesion, "less average, 95 %"] == "0.000 to 0.000"
    assert "of the way, %" not in compared


def test_the_way_leads_from_the_average_to_the_bound(ratings: pd.DataFrame, few_draws: None) -> None:
    opposite = ratings[ratings["lesion"] == "opposite signs"]
    best, worst = (opposite[opposite["method"] == name].assign(method=BOUND) for name in (SOURCES[2], "average"))

    def way(bound: pd.DataFrame, ours: str) -> float:
        return compare_areas(pd.concat([opposite, bound]), ours)["of the way, %"].item()

    assert (way(best, "average"), way(best, BOUND)) == (0, 100)
    assert 50 < way(best, "A alone") < 100
    # A bound that is no better than the average is the end of no way.
    assert np.isnan(way(worst, "A alone"))


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_DRAWS", 5)


def test_too_few_places_to_train_on_give_no_rating() -> None:
    assert observe(METHODS, [], [a_pair(0)]).empty


@pytest.fixture(scope="module")
def pair() -> ImagePair:
    """A calm A and a B whose texture hides lesions."""
    texture = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(2, 300, 300)), (0, 3, 3))
    texture /= texture.std(axis=(1, 2), keepdims=True)
    a, b = 0.5 + 0.02 * texture[0], 0.5 + 0.08 * texture[1]
    return ImagePair(*np.stack([a, b]).clip(0.2, 0.8).astype(np.float32), PairKind.T1_T2, "1-001")


def test_a_table_fuses_each_two_values_and_is_linear_in_between() -> None:
    values = np.linspace(0, 1, KNOTS)
    a, b = np.random.default_rng(0).random((2, 9, 7), dtype=np.float32)
    fused = fused_by(0.3 * values[:, None] + 0.6 * values)(a, b)
    np.testing.assert_allclose(fused, 0.3 * a + 0.6 * b, atol=1e-6)


def test_an_optimised_table_lets_the_observer_see_more_than_the_average_does(
    pair: ImagePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    areas: list[float] = []
    measure = observer._mean_area

    def measured(fused, diameter: int):
        area = measure(fused, diameter)
        areas.append(float(area.detach()))
        return area

    monkeypatch.setattr(observer, "_mean_area", measured)
    table = optimised_table([pair], (0.16,), steps=10)
    assert np.mean(areas[-3:]) > np.mean(areas[:3]) + 0.02
    assert table.shape == (KNOTS, KNOTS)
    assert 0 < table.min() < table.max() < 1


def test_a_rising_table_is_optimised_too_and_never_falls(pair: ImagePair) -> None:
    table = optimised_table([pair], (0.16,), rising=True, steps=5)
    assert (np.diff(table, axis=0) >= 0).all()
    assert (np.diff(table, axis=1) >= 0).all()
    assert np.abs(table - optimised_table([pair], (0.16,), steps=0)).max() > 0.05


def test_slices_without_room_for_a_lesion_leave_the_average() -> None:
    dark = np.zeros((90, 80), np.float32)
    table = optimised_table([ImagePair(dark, dark, PairKind.T1_T2, "dark")], (0.16,))
    a, b = np.random.default_rng(0).uniform(0.1, 0.9, (2, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(fused_by(table)(a, b), (a + b) / 2, atol=0.01)


STEPS = 100


def sources() -> tuple[np.ndarray, np.ndarray]:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random((2, 52, 56)), (0, 2, 2))
    a, b = ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)
    return a, 0.4 * b  # of equal contrast, their mean would have the best EPI there is


def figures(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    return measure(255 * a, 255 * b, 255 * fused)


@pytest.mark.parametrize("objective", ["SSIM sum", "EPI sum"])
def test_no_plain_method_and_no_copy_reaches_it(objective: str) -> None:
    a, b = sources()
    best = figures(a, b, attainable(a, b, objective, steps=STEPS))[objective]
    for fused in (average(a, b), maximum(a, b), a, b):
        assert best > figures(a, b, fused)[objective]


def test_the_balanced_limit_is_the_best_weighted_sum() -> None:
    a, b = sources()

    def weighted_sum(fused: np.ndarray) -> float:
        found = figures(a, b, fused)
        return found["SSIM sum"] + 0.5 * found["EPI sum"] + found["VIF"]

    best = weighted_sum(attainable(a, b, "balanced", steps=STEPS))
    for fused in (average(a, b), maximum(a, b), a, b):
        assert best > weighted_sum(fused)


def test_it_is_an_image_in_range_and_the_same_every_time() -> None:
    a, b = (source[:48, :44] for source in sources())
    fused = attainable(a, b, "EPI sum", steps=10)
    assert fused.shape == a.shape
    assert fused.dtype == np.float32
    assert 0 <= fused.min() <= fused.max() <= 1
    np.testing.assert_array_equal(fused, attainable(a, b, "EPI sum", steps=10))
