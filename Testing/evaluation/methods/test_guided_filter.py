from __future__ import annotations

import numpy as np
from scipy import ndimage

from CSAFusionLib.evaluation.methods import baselines as module
from CSAFusionLib.evaluation.methods.baselines import guided_filter


def test_the_salient_source_is_taken_whole_where_the_other_is_flat(flat: np.ndarray, chequered: np.ndarray) -> None:
    np.testing.assert_allclose(guided_filter(flat, chequered), chequered, atol=1e-6)


def test_two_flat_sources_are_averaged() -> None:
    sources = np.full((40, 37), 0.2, np.float32), np.full((40, 37), 0.6, np.float32)
    np.testing.assert_allclose(guided_filter(*sources), 0.4, atol=1e-6)


def test_a_weight_map_follows_the_edge_of_its_guide() -> None:
    guide = np.zeros((1, 60, 60))
    guide[..., 30:] = 1
    shifted = np.zeros((1, 60, 60))
    shifted[..., 33:] = 1
    refined = module._refined(shifted, guide, radius=7, epsilon=1e-6)[0, 30]
    assert refined[:30].max() < 0.01
    assert refined[30:].min() > 0.49


def test_under_a_flat_guide_a_weight_map_is_smoothed_twice_by_the_mean() -> None:
    weights = np.random.default_rng(0).random((1, 50, 50))
    refined = module._refined(weights, np.full((1, 50, 50), 0.3), radius=3, epsilon=0.1)
    twice = ndimage.uniform_filter(ndimage.uniform_filter(weights[0], 7), 7)
    np.testing.assert_allclose(refined[0, 7:-7, 7:-7], twice[7:-7, 7:-7], atol=1e-9)
