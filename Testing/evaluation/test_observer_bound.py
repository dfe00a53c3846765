from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CSAFusionLib.evaluation.methods.pointwise import average
from CSAFusionLib.evaluation.observer_bound import optimised_maps, weighted_by
from CSAFusionLib.evaluation.observer_table import observe, summarise_observer
from CSAFusionLib.training.pairs import ImagePair, PairKind


def a_pair(seed: int) -> ImagePair:
    """A calm A and a B whose texture hides lesions."""
    noise = np.random.default_rng(seed).normal(size=(2, 300, 300))
    texture = ndimage.gaussian_filter(noise, (0, 3, 3))
    texture /= texture.std(axis=(1, 2), keepdims=True)
    a, b = 0.5 + 0.02 * texture[0], 0.5 + 0.08 * texture[1]
    return ImagePair(*np.stack([a, b]).clip(0.2, 0.8).astype(np.float32), PairKind.T1_T2, f"{seed}-001")


@pytest.fixture(scope="module")
def pairs() -> list[ImagePair]:
    return [a_pair(seed) for seed in range(4)]


def test_optimised_maps_let_the_observer_see_more_than_the_average_does(pairs: list[ImagePair]) -> None:
    maps = optimised_maps(pairs, (0.08, 0.16), steps=8)
    of_pair = {pair.name: weighted_by(weights) for pair, weights in zip(pairs, maps, strict=True)}
    methods = {"average": lambda pair: average, "bound": lambda pair: of_pair[pair.name]}
    table = summarise_observer(observe(methods, pairs[:3], pairs[3:])).set_index("method")
    kinds = ["A only", "B only", "same sign", "opposite signs"]
    assert table.loc["bound", kinds].mean() > table.loc["average", kinds].mean() + 0.02


def test_maps_cover_each_pair_and_stay_in_their_range(pairs: list[ImagePair]) -> None:
    (maps,) = optimised_maps(pairs[:1], (0.16,), steps=2)
    assert maps.shape == (2, 300, 300)
    assert 0 <= maps.min() < maps.max() <= 1.5


def test_a_slice_without_room_for_a_lesion_keeps_the_weights_of_the_average(pairs: list[ImagePair]) -> None:
    dark = ImagePair(np.zeros((90, 80), np.float32), np.zeros((90, 80), np.float32), PairKind.T1_T2, "dark")
    with_room, without = optimised_maps([pairs[0], dark], (0.16,), steps=1)
    assert not np.allclose(with_room, 0.5)
    np.testing.assert_allclose(without, np.full((2, 90, 80), 0.5), atol=1e-6)
    np.testing.assert_array_equal(optimised_maps([dark], (0.16,))[0], np.full((2, 90, 80), 0.5))


def test_two_slices_are_fused_by_their_maps() -> None:
    maps = np.stack([np.full((4, 5), 0.5), np.full((4, 5), 1.5)])
    fused = weighted_by(maps)(np.full((4, 5), 0.4, np.float32), np.full((4, 5), 0.6, np.float32))
    np.testing.assert_array_equal(fused, 1)
