"""The convolutional parts for one slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from CSAFusionLib.network.configuration import CONFIGURATIONS
from CSAFusionLib.network.csafusion import (
    ChannelAttention,
    CSAFusion,
    ParallelEncoder,
    SpatialAttention,
    convolutional_encoder,
    inc,
)
from CSAFusionLib.network.inference.convolution import (
    Excitation,
    FoldedAdaptiveEncoder,
    FoldedConvolutions,
    FoldedParallelEncoder,
    OutputHead,
    PointwiseConvolution,
    PointwiseMap,
    halve,
)
from CSAFusionLib.weights.weights_file import load_network

Stir = Callable[[nn.Module, float], None]


def an_image(channels: int, height: int = 20, width: int = 24) -> torch.Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def test_convolution_and_batch_norm_become_one(stir: Stir) -> None:
    module = inc(2, 8)
    stir(module, 0.3)
    folded = FoldedConvolutions((module[0], module[1]), (module[3], module[4]))
    torch.testing.assert_close(folded(an_image(2)), module(an_image(2)), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_adaptive_kernels_are_folded_for_each_image(stir: Stir) -> None:
    module = convolutional_encoder(8, 8, adaptive=True, attention=True)
    stir(module, 0.3)
    folded = FoldedAdaptiveEncoder(module)
    for x in (an_image(8), 3 * an_image(8, 30, 18)):
        torch.testing.assert_close(folded(x), module(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("branches", [2, 3])
@torch.inference_mode()
def test_branches_side_by_side_give_what_they_give_one_by_one(branches: int, stir: Stir) -> None:
    module = ParallelEncoder(8, 16, branches, attention=True)
    stir(module, 0.3)
    torch.testing.assert_close(FoldedParallelEncoder(module)(an_image(8)), module(an_image(8)), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_branches_excite_their_own_channels(stir: Stir) -> None:
    branches = [ChannelAttention(8), ChannelAttention(8)]
    for branch in branches:
        stir(branch, 0.5)
    x = an_image(16)
    expected = torch.cat([branch(half) for branch, half in zip(branches, x.chunk(2, dim=1), strict=True)], dim=1)
    torch.testing.assert_close(Excitation(branches)(x.clone()), expected)


@pytest.mark.parametrize("size", [(20, 24), (2, 9), (1, 1)])
@torch.inference_mode()
def test_the_rows_of_the_spatial_attention_are_summed_where_they_belong(size: tuple[int, int], stir: Stir) -> None:
    attention, output = SpatialAttention(8), nn.Conv2d(8, 2, 1)
    stir(attention, 0.3)
    stir(output, 0.3)
    x = an_image(8, *size)
    torch.testing.assert_close(OutputHead(attention, output)(x), output(attention(x)))


@torch.inference_mode()
def test_small_parts_are_what_pytorch_has_for_them() -> None:
    x = an_image(8)
    torch.testing.assert_close(halve(x), functional.max_pool2d(x, 2), atol=0, rtol=0)
    convolution = nn.Conv2d(8, 3, 1)
    torch.testing.assert_close(PointwiseConvolution(convolution)(x), convolution(x))


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
