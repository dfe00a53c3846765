"""CSAFusionLib.fusion.slices"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.slices import fuse_slices
from CSAFusionLib.fusion.weight_maps import neighbour_weights
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
