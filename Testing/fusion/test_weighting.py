"""CSAFusionLib.fusion.weighting"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.weighting import WeightedNetwork, weighted
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.network.csafusion import CSAFusion

SMALL = NetworkConfiguration(channels=8)


@pytest.fixture
def network() -> CSAFusion:
    torch.manual_seed(0)
    return CSAFusion(SMALL).eval()


@pytest.fixture
def pair() -> torch.Tensor:
    pair = torch.rand(2, 2, 20, 24, generator=torch.Generator().manual_seed(1))
    pair[:, :, :4] = 0
    pair[:, 0, 4:8] = 0
    return pair


@torch.inference_mode()
def test_equal_strengths_give_the_networks_own_image_bit_for_bit(network: CSAFusion, pair: torch.Tensor) -> None:
    assert torch.equal(weighted(network, True, 0)(pair)[:, :1], network(pair))


@torch.inference_mode()
def test_the_share_is_what_a_adds_to_the_sum(network: CSAFusion, pair: torch.Tensor) -> None:
    share = WeightedNetwork(network, 1, 1)(pair)[:, 1]
    gains = network.gains(pair)
    a, b = (gains * pair).unbind(1)
    torch.testing.assert_close(share[:, 8:], (a / (a + b))[:, 8:])
    assert (share[:, :4] == 0.5).all() and (share[:, 4:8] == 0).all()


@torch.inference_mode()
@pytest.mark.parametrize("fixed_is_a", [True, False])
def test_the_balance_strengthens_the_moving_source_and_weakens_the_fixed_one(
    network: CSAFusion, pair: torch.Tensor, fixed_is_a: bool
) -> None:
    gains = network.gains(pair)
    factors = torch.tensor([0.75, 1.25] if fixed_is_a else [1.25, 0.75]).view(1, 2, 1, 1)
    expected = (gains * pair * factors).sum(1).clamp(0, 1)
    torch.testing.assert_close(weighted(network, fixed_is_a, 0.25)(pair)[:, 0], expected)


def test_a_network_that_predicts_pixels_is_left_alone_and_cannot_be_balanced() -> None:
    network = CSAFusion(replace(SMALL, gains=False))
    assert weighted(network, True, 0) is network
    with pytest.raises(InputError, match="trained without gains"):
        weighted(network, True, 0.5)
