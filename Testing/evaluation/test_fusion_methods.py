"""The methods that the network is compared with."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CSAFusionLib.errors import InputError
from CSAFusionLib.evaluation import fusion_methods as module
from CSAFusionLib.evaluation.fusion_methods import (
    BASELINES,
    FusionMethod,
    average,
    baselines_named,
    brighter_average,
    guided_filter,
    joint_bilateral,
    laplacian_pyramid,
    maximum,
    wavelet,
)


def test_the_average_is_the_mean_of_both() -> None:
    a, b = np.array([[0.2, 1.0]], np.float32), np.array([[0.6, 0.0]], np.float32)
    np.testing.assert_allclose(average(a, b), [[0.4, 0.5]])


def test_the_brighter_average_adds_seven_tenths_of_each_and_clips() -> None:
    a, b = np.array([[0, 0.2, 0.9]], np.float32), np.array([[0, 0.8, 1]], np.float32)
    fused = brighter_average(a, b)
    np.testing.assert_allclose(fused, [[0, 0.7, 1]], rtol=1e-6)
    assert fused.dtype == np.float32


def test_the_maximum_is_the_brighter_of_both() -> None:
    a, b = np.array([[0.2, 1.0]], np.float32), np.array([[0.6, 0.0]], np.float32)
    np.testing.assert_allclose(maximum(a, b), [[0.6, 1.0]])


def test_the_detail_that_only_one_source_has_comes_through_its_wavelets(
    flat: np.ndarray, chequered: np.ndarray
) -> None:
    inside = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(wavelet(flat, chequered)[inside], chequered[inside], atol=1e-3)


def test_of_two_flat_sources_the_approximation_is_the_mean() -> None:
    sources = np.full((40, 37), 0.2, np.float32), np.full((40, 37), 0.6, np.float32)
    np.testing.assert_allclose(wavelet(*sources), 0.4, atol=1e-5)


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


def test_the_detail_that_only_one_source_has_comes_through(flat: np.ndarray) -> None:
    lines = np.where(np.indices(flat.shape)[1] % 4 < 2, 0.4, 0.6).astype(np.float32)
    inside = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(joint_bilateral(flat, lines)[inside], lines[inside], atol=0.01)


def test_of_two_flat_sources_the_one_with_more_energy_is_taken() -> None:
    sources = np.full((40, 37), 0.2, np.float32), np.full((40, 37), 0.6, np.float32)
    np.testing.assert_allclose(joint_bilateral(*sources), 0.6, atol=1e-6)


def test_the_filter_follows_its_definition() -> None:
    image, guide = np.random.default_rng(0).random((2, 15, 15), dtype=np.float32)
    down, right = np.mgrid[-6:7, -6:7]
    window = np.s_[1:14, 1:14]  # all that the radius of 6 reaches from the middle pixel
    weights = np.exp(-(down**2 + right**2) / (2 * 3.0**2) - (guide[window] - guide[7, 7]) ** 2 / (2 * 0.05**2))
    expected = (weights * image[window]).sum() / weights.sum()
    assert module._filter_jointly(image, guide)[7, 7] == pytest.approx(expected, rel=1e-5)


def test_a_large_edge_belongs_to_the_energy_layer_and_a_dot_to_the_structure_layer() -> None:
    image = np.zeros((64, 64), np.float32)
    image[:, 32:] = 0.8
    image[32, 12] = 0.3
    structure = image - module._energy_layer(image)
    assert np.abs(structure[5, 28:36]).max() < 0.02
    assert structure[32, 12] > 0.25


every_method = pytest.mark.parametrize("fuse", BASELINES.values(), ids=BASELINES)


def noise(seed: int, shape: tuple[int, int] = (61, 48)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@every_method
@pytest.mark.parametrize("shape", [(61, 48), (16, 16), (130, 33)])
def test_the_result_is_like_the_sources(fuse: FusionMethod, shape: tuple[int, int]) -> None:
    fused = fuse(noise(0, shape), noise(1, shape))
    assert (fused.shape, fused.dtype) == (shape, np.float32)
    assert 0 <= fused.min() < fused.max() <= 1


@pytest.mark.parametrize("name", sorted({*BASELINES} - {"brighter average"}))
def test_a_source_fused_with_itself_stays_as_it_is(name: str) -> None:
    np.testing.assert_allclose(BASELINES[name](noise(0), noise(0)), noise(0), atol=1e-5)


@every_method
def test_no_source_is_preferred_for_its_place(fuse: FusionMethod) -> None:
    np.testing.assert_allclose(fuse(noise(0), noise(1)), fuse(noise(1), noise(0)), atol=1e-5)


@every_method
def test_black_stays_black(fuse: FusionMethod) -> None:
    black = np.zeros((32, 32), np.float32)
    np.testing.assert_array_equal(fuse(black, black), black)


def test_methods_are_found_by_name() -> None:
    named = baselines_named(["maximum", "average"])
    assert named == {"maximum": BASELINES["maximum"], "average": BASELINES["average"]}


def test_what_was_named_ins_is_labelled_as_a_reimplementation() -> None:
    assert list(baselines_named(["INS"])) == ["INS (reimplemented)"]


def test_a_name_that_is_none_is_refused_with_the_names_there_are() -> None:
    choice = "no baseline named 'median'; choose from average, brighter average, maximum, "
    with pytest.raises(InputError, match=choice):
        baselines_named(["average", "median"])
