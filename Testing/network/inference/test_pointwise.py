"""CSAFusionLib.network.inference.pointwise"""

from __future__ import annotations

import torch

from CSAFusionLib.network.configuration import CONFIGURATIONS
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.network.inference.pointwise import PointwiseMap


@torch.inference_mode()
def test_its_gains_are_the_network_s_but_in_air_that_fills_a_whole_strip() -> None:
    torch.manual_seed(0)
    network = CSAFusion(CONFIGURATIONS["consistent"]).eval()
    x, local = torch.rand(2, 2, 150, 140)
    x[:, :130] = 0
    gains = PointwiseMap(network).gains(local, x)
    expected = network.gains_from(local[None], x[None])[0]
    torch.testing.assert_close(gains[:, 130:], expected[:, 130:])
    assert not gains[:, :100].any()


def test_it_keeps_its_weights_when_the_network_is_trained_on() -> None:
    network = CSAFusion(CONFIGURATIONS["consistent"]).eval()
    pointwise = PointwiseMap(network)
    x, local = torch.rand(2, 2, 20, 20)
    before = pointwise.gains(local, x)
    with torch.no_grad():
        network.pointwise[0].weight.add_(1)
    torch.testing.assert_close(pointwise.gains(local, x), before, rtol=0, atol=0)
