"""The encoder, and what it is made of."""

from __future__ import annotations

import torch
from torch.nn import functional

from CSAFusionLib.network import encoder
from CSAFusionLib.network.encoder import (
    AdaptiveConvolution,
    ChannelAttention,
    EncoderFusion,
    ParallelEncoder,
    SpatialAttention,
    serial_encoder,
)


def by_unfold(layer: AdaptiveConvolution, x: torch.Tensor) -> torch.Tensor:
    """The article's way: unfold, then one matrix product per sample."""
    batch, _, height, width = x.shape
    columns = functional.unfold(x, layer.kernel_size, padding=layer.kernel_size // 2)
    return torch.bmm(layer.kernels(x).flatten(2), columns).view(batch, -1, height, width)


def test_it_equals_unfold_and_batched_matrix_product() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(5, 7).double()
    x = torch.randn(3, 5, 19, 23, dtype=torch.float64)
    torch.testing.assert_close(layer(x), by_unfold(layer, x))


def test_its_gradients_equal_those_of_unfold_and_batched_matrix_product() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(4, 4).double()
    x = torch.randn(2, 4, 12, 12, dtype=torch.float64, requires_grad=True)
    ours = torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])
    reference = torch.autograd.grad(by_unfold(layer, x).square().sum(), [x, *layer.parameters()])
    for gradient, expected in zip(ours, reference, strict=True):
        torch.testing.assert_close(gradient, expected)


def test_each_sample_gets_kernels_of_its_own() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(3, 3)
    kernels = layer.kernels(torch.randn(2, 3, 16, 16))
    assert (kernels[0] - kernels[1]).abs().max() > 1e-3


def test_the_gate_lies_between_zero_and_twice_the_kernel() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(3, 6)
    gate = layer.kernels(torch.randn(4, 3, 16, 16)) / layer.weight
    assert gate.min() > 0
    assert gate.max() < 2
    # It varies over inputs, outputs and positions, not over samples alone.
    for dimension in (1, 2, 3, 4):
        assert gate.std(dim=dimension).max() > 1e-3


def test_one_grouped_call_for_an_accelerator_gives_what_a_call_for_each_sample_gives() -> None:
    torch.manual_seed(0)
    layer = AdaptiveConvolution(5, 7).double()
    # In the memory layout of the bundled weights. No accelerator here: the CPU stands for one.
    x = torch.randn(3, 5, 19, 23, dtype=torch.float64).to(memory_format=torch.channels_last)
    grouped = encoder._grouped(x, layer.kernels(x))
    torch.testing.assert_close(grouped, encoder._one_by_one(x, layer.kernels(x)))


def test_channel_attention_multiplies_whole_channels_by_a_weight_below_one() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 8, 6, 6) + 0.5
    weight = ChannelAttention(8)(x) / x
    torch.testing.assert_close(weight, weight[:, :, :1, :1].expand_as(weight))
    assert 0 < weight.min() <= weight.max() < 1
    assert weight[0, :, 0, 0].std() > 1e-4


def test_spatial_attention_multiplies_all_channels_of_a_position_alike() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 8, 12, 12) + 0.5
    weight = SpatialAttention(8)(x) / x
    torch.testing.assert_close(weight, weight[:, :1].expand_as(weight))
    assert 0 < weight.min() <= weight.max() < 1
    assert weight[0, 0].std() > 1e-4


def test_encoder_fusion_weighs_branches_by_position_with_weights_that_sum_to_one() -> None:
    torch.manual_seed(0)
    fusion = EncoderFusion(4, branches=3)
    same = torch.randn(2, 4, 9, 9)
    torch.testing.assert_close(fusion([same, same, same]), same)


def test_encoder_fusion_lies_between_its_branches_and_is_no_plain_mean() -> None:
    torch.manual_seed(0)
    fusion = EncoderFusion(4, branches=2)
    low, high = torch.rand(1, 4, 9, 9), torch.rand(1, 4, 9, 9) + 1
    share = (fusion([low, high]) - low) / (high - low)
    assert 0 < share.min() <= share.max() < 1
    assert share.std() > 1e-3


def test_parallel_branches_all_see_the_input_and_all_learn() -> None:
    torch.manual_seed(0)
    level = ParallelEncoder(4, 8, branches=3, attention=True)
    level(torch.randn(2, 4, 16, 16)).square().sum().backward()
    for branch in level.branches:
        assert branch[0].weight.grad.abs().max() > 0


def test_in_series_the_blocks_follow_each_other() -> None:
    level = serial_encoder(4, 8, 3, attention=False)
    assert [(block[0].in_channels, block[0].out_channels) for block in level] == [(4, 8), (8, 8), (8, 8)]
    assert level(torch.randn(1, 4, 16, 16)).shape == (1, 8, 16, 16)
