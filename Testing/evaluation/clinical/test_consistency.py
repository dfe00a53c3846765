"""CSAFusionLib.evaluation.clinical.consistency"""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.clinical.consistency import tissue_inconsistency

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
