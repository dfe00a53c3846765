"""CSAFusionLib.network.inference.convolution"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from CSAFusionLib.network.configuration import CONFIGURATIONS
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.network.inference.convolution import PointwiseMap
from CSAFusionLib.weights.catalogue import load_network


class Called(TorchDispatchMode):
    """The names of the operations that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names = set[str]()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(operation.overloadpacket.__name__)
        return operation(*args, **(kwargs or {}))


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


@pytest.mark.parametrize("weights", ["ct-mr", "t1-t2"])
@torch.inference_mode()
def test_no_grey_level_moves_by_a_thousandth_without_the_slow_hyperbolic_tangent(weights: str) -> None:
    network, _ = load_network(weights)
    network.double()
    x = torch.stack(torch.meshgrid(*2 * [torch.linspace(0, 1, 256, dtype=torch.float64)], indexing="ij"))
    expected = (network.gains_from(torch.zeros_like(x)[None], x[None])[0] * x).sum(dim=0)
    pointwise = PointwiseMap(network)
    with Called() as called:
        gains = pointwise.gains(torch.zeros(2, 256, 256), x.float())
    assert ((gains * x).sum(dim=0) - expected).abs().max() * 255 < 0.001
    assert "sigmoid_" in called.names and "tanh_" not in called.names
