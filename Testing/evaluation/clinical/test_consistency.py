"""CSAFusionLib.evaluation.clinical.consistency"""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.clinical.consistency import (
    front_to_back_drift,
    quarter_means,
    similarity_by_slice,
    tissue_inconsistency,
)

SHAPE = (4, 48, 48)
RANDOM = np.random.default_rng(0)
A, B = (0.2 + 0.6 * RANDOM.random(SHAPE).round(1) for _ in range(2))


def test_one_function_of_both_values_is_consistent() -> None:
    assert tissue_inconsistency(A, B, np.maximum(0.6 * A, B) ** 2) == pytest.approx(0, abs=1e-4)


def test_a_patchwork_of_the_sources_is_not() -> None:
    left = np.arange(SHAPE[2]) < SHAPE[2] // 2
    apart = 255 * np.sqrt(((A - B) ** 2).mean()) / 2
    assert tissue_inconsistency(A, B, np.where(left, A, B)) == pytest.approx(apart, rel=0.05)


def test_it_is_the_spread_around_the_tissue_s_mean_in_grey_values() -> None:
    noise = RANDOM.normal(0, 6 / 255, SHAPE)
    assert tissue_inconsistency(A, B, (A + B) / 2 + noise) == pytest.approx(6, rel=0.05)


def test_a_drift_from_slice_to_slice_counts() -> None:
    drift = np.linspace(-0.1, 0.1, SHAPE[0])[:, None, None]
    assert tissue_inconsistency(A, B, A + drift) == pytest.approx(255 * drift.std(), rel=0.05)


def test_surroundings_and_rare_pairs_of_values_do_not_count() -> None:
    a, b = np.zeros(SHAPE), np.zeros(SHAPE)
    a[:, 10:30, 10:30] = b[:, 10:30, 10:30] = 0.5
    fused = RANDOM.random(SHAPE)
    fused[:, 10:30, 10:30] = 0.5
    assert tissue_inconsistency(a, b, fused) == 0


def test_without_enough_voxels_there_is_no_figure() -> None:
    assert np.isnan(tissue_inconsistency(A[:1, :4, :4], B[:1, :4, :4], A[:1, :4, :4]))


def four_tissues() -> tuple[np.ndarray, np.ndarray]:
    """Two sources of four tissues each, all of them everywhere in a head that fills the slices."""
    random = np.random.default_rng(5)
    return random.choice([0.3, 0.5, 0.7, 0.9], (2, 4, 64, 64))


def test_one_function_of_both_sources_does_not_drift() -> None:
    a, b = four_tissues()
    assert front_to_back_drift(a, b, 0.3 * a + 0.6 * b**2) == pytest.approx(0, abs=1e-6)


def test_what_grows_brighter_from_front_to_back_drifts_by_the_means_of_its_quarters() -> None:
    a, b = four_tissues()
    shade = 0.2 * np.arange(64)[:, None] / 63 * np.ones((4, 64, 64))
    # The middles of the first and the last quarter are three quarters of the way apart.
    assert front_to_back_drift(a, b, (a + b) / 4 + shade) == pytest.approx(255 * 0.2 * 48 / 63, rel=0.1)


def test_a_volume_without_enough_equal_voxels_has_no_drift() -> None:
    a = np.full((1, 4, 4), 0.5)
    assert np.isnan(front_to_back_drift(a, a, a))


def test_a_region_is_measured_by_quarters_from_front_to_back() -> None:
    fused = np.tile(np.arange(16.0)[:, None], (2, 1, 8)) / 16
    region = np.ones((2, 16, 8), bool)
    assert quarter_means(fused, region) == pytest.approx([1.5 / 16, 5.5 / 16, 9.5 / 16, 13.5 / 16])


def test_similarity_is_measured_in_the_slices_that_are_more_than_half_head() -> None:
    source = np.random.default_rng(1).random((4, 40, 40))
    head = np.zeros((4, 40, 40), bool)
    head[0, 10:14, 10:14] = head[1:, 5:35, 5:35] = True
    fused = source.copy()
    fused[3] = 1 - source[3]
    similarity = similarity_by_slice(fused, source, head)
    assert similarity[:2] == pytest.approx([1, 1])
    assert similarity[2] < 0
