"""Weight maps, and a stack of slices fused by them."""

from __future__ import annotations

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.slices import fuse_slices
from CSAFusionLib.fusion.source_pair import within_reach
from CSAFusionLib.fusion.weight_maps import (
    apply_weight_maps,
    contribution_of_a,
    neighbour_weights,
    smoothed_through_slices,
    strengths_of,
)
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.network.inference.network import SliceNetwork

A, B = np.random.default_rng(0).random((2, 4, 24, 20), dtype=np.float32)


@pytest.fixture
def own(a_network: CSAFusion) -> np.ndarray:
    """The network's own slices, (S, H, W)."""
    return one_by_one(a_network)


def one_by_one(network: CSAFusion) -> np.ndarray:
    slices = torch.from_numpy(np.stack([A, B], axis=1))
    fuse = SliceNetwork(network)
    return torch.cat([fuse(one) for one in slices.split(1)])[:, 0].numpy()


def test_alone_and_at_equal_strengths_the_slices_are_the_networks_own_bit_for_bit(
    a_network: CSAFusion, own: np.ndarray, a_cpu: Device
) -> None:
    np.testing.assert_array_equal(fuse_slices(a_network, A, B, a_cpu, batch_size=4).slices, own)


def test_one_source_can_be_left_out(a_network: CSAFusion, a_cpu: Device) -> None:
    fused = fuse_slices(a_network, A, B, a_cpu, strengths=(2, 0), with_contribution=True)
    np.testing.assert_array_equal(fused.contribution, np.ones_like(A))
    assert not fuse_slices(a_network, A, B, a_cpu, strengths=(0, 0)).slices.any()


def test_neighbours_make_a_jump_of_the_gains_smaller_and_leave_the_sources_detail(
    a_network: CSAFusion, a_cpu: Device
) -> None:
    a = np.repeat(A, 3, axis=0)
    b = a.copy()
    b[1::2] = 0
    alone, together = (
        fuse_slices(a_network, a, b, a_cpu, strengths=(0.5, 0), neighbours=weights).slices / (a / 2)
        for weights in (np.ones(1), neighbour_weights(1, 2))
    )
    jumps = [np.abs(np.diff(gain.mean(axis=(1, 2)))).mean() for gain in (alone, together)]
    assert jumps[1] < jumps[0] / 4


def test_a_network_that_predicts_pixels_has_no_share_and_no_neighbours(a_network: CSAFusion, a_cpu: Device) -> None:
    network = CSAFusion(replace(a_network.configuration, gains=False)).eval()
    fused = fuse_slices(network, A, B, a_cpu, neighbours=neighbour_weights(1, 2), batch_size=4)
    assert fused.contribution is None
    np.testing.assert_array_equal(fused.slices, one_by_one(network))


def test_of_a_consistent_network_neighbours_share_the_local_part_alone(a_cpu: Device) -> None:
    torch.manual_seed(0)
    network = CSAFusion(NetworkConfiguration(channels=8, pointwise=True, token=2)).eval()
    fused = fuse_slices(network, A, B, a_cpu, neighbours=neighbour_weights(1, 2), with_contribution=True)
    # Not trained, its local part is zero, so nothing is left to share: each slice is what it would be alone.
    np.testing.assert_allclose(fused.slices, one_by_one(network), atol=1e-6)
    assert fused.contribution is not None
    torch.nn.init.normal_(network.output.weight)
    alone = fuse_slices(network, A, B, a_cpu).slices
    np.testing.assert_array_equal(alone, one_by_one(network))
    assert np.abs(fuse_slices(network, A, B, a_cpu, neighbours=neighbour_weights(1, 2)).slices - alone).max() > 1e-3


RANDOM = np.random.default_rng(0)


def smoothed(gains: np.ndarray, weights: np.ndarray, filled: np.ndarray | None = None) -> np.ndarray:
    gains = gains.astype(np.float32)
    filled = np.ones(gains.shape[1], bool) if filled is None else filled
    found = np.zeros_like(gains)
    order = []
    for index, own in smoothed_through_slices(
        ((i, gains[:, i]) for i in np.flatnonzero(filled).tolist()), filled, weights
    ):
        found[:, index] = own
        order.append(index)
    assert order == np.flatnonzero(filled).tolist()
    return found


@pytest.mark.parametrize("spacing", [0.7, 1, 2, 3, 5])
def test_weights_are_a_gaussian_of_the_distance_in_mm(spacing: float) -> None:
    weights = neighbour_weights(spacing, 2)
    assert weights.sum() == pytest.approx(1)
    middle = len(weights) // 2
    assert weights[middle + 1] / weights[middle] == pytest.approx(np.exp(-(spacing**2) / 8))
    np.testing.assert_array_equal(weights, weights[::-1])


@pytest.mark.parametrize(("spacing", "sigma"), [(1, 0), (7, 2)])
def test_without_a_sigma_or_far_apart_a_slice_is_alone(spacing: float, sigma: float) -> None:
    assert neighbour_weights(spacing, sigma).tolist() == [1]


def test_rounding_in_a_header_does_not_change_how_many_slices_count() -> None:
    weights = neighbour_weights(1.0, 2)
    np.testing.assert_allclose(neighbour_weights(1.0000000231528892, 2), weights, atol=1e-6)
    assert len(weights) == 13


@pytest.mark.parametrize(("spacing", "sigma"), [(0.01, 2), (1e-6, 100)])
def test_no_more_than_32_slices_on_each_side_count(spacing: float, sigma: float) -> None:
    weights = neighbour_weights(spacing, sigma)
    assert len(weights) == 65 and weights.sum() == pytest.approx(1)


def test_slices_within_reach_are_those_that_count_for_one_that_is_wanted() -> None:
    wanted = np.array([0, 0, 0, 1, 0, 0, 0, 0, 1], bool)
    assert within_reach(wanted, np.ones(3) / 3).tolist() == [False, False, True, True, True, False, False, True, True]
    assert within_reach(wanted, np.ones(1)).tolist() == wanted.tolist()
    assert not within_reach(np.zeros(4, bool), np.ones(3)).any()


@pytest.mark.parametrize("slices", [1, 2, 5, 12])
def test_gains_are_the_weighted_mean_of_the_slices_around_as_they_were(slices: int) -> None:
    gains, weights = RANDOM.random((2, slices, 4, 3)), neighbour_weights(1, 1)
    expected = ndimage.convolve1d(gains, weights, axis=1, mode="constant")
    expected /= ndimage.convolve1d(np.ones(slices), weights, mode="constant")[None, :, None, None]
    np.testing.assert_allclose(smoothed(gains, weights), expected, atol=1e-6)


def test_alone_nothing_changes() -> None:
    gains = RANDOM.random((2, 5, 4, 3), dtype=np.float32)
    np.testing.assert_array_equal(smoothed(gains, np.ones(1)), gains)


def test_steady_gains_stay_as_they_are() -> None:
    gains = np.repeat(RANDOM.random((2, 1, 4, 3)), 6, axis=1)
    np.testing.assert_allclose(smoothed(gains, neighbour_weights(2, 2)), gains, atol=1e-6)


def test_slices_that_the_network_was_not_asked_about_count_for_none() -> None:
    gains = RANDOM.random((2, 6, 4, 3))
    gains[:, [0, 3]] = 0
    filled = gains.any(axis=(0, 2, 3))
    weights = np.array([0.25, 0.5, 0.25])
    found = smoothed(gains, weights, filled)
    assert not found[:, [0, 3]].any()
    np.testing.assert_allclose(found[:, 1], (2 * gains[:, 1] + gains[:, 2]) / 3, atol=1e-6)
    np.testing.assert_allclose(found[:, 2], (gains[:, 1] + 2 * gains[:, 2]) / 3, atol=1e-6)


def test_no_more_slices_are_held_than_count_for_one() -> None:
    held: list[weakref.ref] = []

    def gains():  # noqa: ANN202
        for index in range(40):
            own = np.zeros((2, 4, 4), np.float32)
            held.append(weakref.ref(own))
            yield index, own

    weights = neighbour_weights(1, 1)
    for _ in smoothed_through_slices(gains(), np.ones(40, bool), weights):
        assert sum(alive() is not None for alive in held) <= len(weights) + 1


GAINS = NetworkConfiguration()
PIXELS = NetworkConfiguration(gains=False)


@pytest.mark.parametrize(("fixed_is_a", "expected"), [(True, (0.75, 1.25)), (False, (1.25, 0.75))])
def test_the_balance_strengthens_the_moving_source_and_weakens_the_fixed_one(
    fixed_is_a: bool, expected: tuple[float, float]
) -> None:
    assert strengths_of(GAINS, fixed_is_a, 0.25) == expected


def test_a_network_that_predicts_pixels_cannot_be_balanced() -> None:
    assert strengths_of(PIXELS, True, 0) == (1, 1)
    with pytest.raises(InputError, match="trained without gains"):
        strengths_of(PIXELS, True, 0.5)


def test_the_fused_slices_are_the_weighted_sum_and_the_share_is_what_a_adds_to_it() -> None:
    a, b = np.float32([[0, 0, 0.5, 1]]), np.float32([[0, 0.4, 0.25, 0.5]])
    fused, parts = apply_weight_maps(np.full((2, 1, 4), 0.5, np.float32), a, b, (2, 1))
    np.testing.assert_allclose(fused, [[0, 0.2, 0.625, 1]], atol=1e-6)
    np.testing.assert_allclose(contribution_of_a(parts), [[0.5, 0, 0.8, 0.8]], atol=1e-6)
