from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.methods.baselines import laplacian_pyramid


def test_the_detail_that_only_one_source_has_comes_through_whole(flat: np.ndarray, chequered: np.ndarray) -> None:
    np.testing.assert_allclose(laplacian_pyramid(flat, chequered), chequered, atol=1e-6)


def test_of_two_flat_sources_the_base_is_the_mean() -> None:
    sources = np.full((40, 37), 0.2, np.float32), np.full((40, 37), 0.6, np.float32)
    np.testing.assert_allclose(laplacian_pyramid(*sources), 0.4, atol=1e-6)


def test_each_place_takes_the_stronger_detail(flat: np.ndarray, chequered: np.ndarray) -> None:
    left, right = np.indices(flat.shape)[1] < 32, np.indices(flat.shape)[1] >= 32
    weak = 0.5 + (chequered - 0.5) / 4
    a, b = np.where(left, chequered, weak), np.where(right, chequered, weak)
    np.testing.assert_allclose(laplacian_pyramid(a, b)[:, :28], chequered[:, :28], atol=1e-3)
    np.testing.assert_allclose(laplacian_pyramid(a, b)[:, 36:], chequered[:, 36:], atol=1e-3)
