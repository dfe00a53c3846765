"""The network and its parts: encoder, decoder, Swin and standard transformer blocks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from CSAFusionLib.errors import InputError
from CSAFusionLib.network import csafusion
from CSAFusionLib.network.configuration import CONFIGURATIONS, NetworkConfiguration
from CSAFusionLib.network.csafusion import (
    AdaptiveConvolution,
    ChannelAttention,
    CSAFusion,
    DecoderStage,
    EncoderFusion,
    ParallelEncoder,
    PointwiseGains,
    SpatialAttention,
    TransformerBlock,
    serial_encoder,
    sinusoidal_positions,
)
from CSAFusionLib.network.swin import SwinBlock, TokenSwinPair, from_windows, relative_positions, to_windows


@torch.inference_mode()
def test_only_a_pixel_s_own_two_values_count() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 2, 12, 12)
    changed = x.clone()
    changed[:, :, 5, 7] = 1
    before, after = (a_map()(both) for both in (x, changed))
    differs = (before != after).any(dim=1)[0]
    assert differs.nonzero().tolist() == [[5, 7]]


def a_map() -> PointwiseGains:
    torch.manual_seed(1)
    return PointwiseGains()


@pytest.fixture
def network() -> CSAFusion:
    torch.manual_seed(0)
    return CSAFusion().eval()


def count(network: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in network.modules())


@torch.inference_mode()
@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(("full", size) for size in [(16, 16), (16, 100), (91, 109), (120, 120)]),
        *((n, (17, 31)) for n in CONFIGURATIONS),
        ("bounded", (16, 16)),
    ],
)
def test_any_size_from_sixteen_up_gives_an_image_of_that_size_in_range(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    fused = CSAFusion(CONFIGURATIONS[name]).eval()(torch.rand(1, 2, *size))
    assert fused.shape == (1, 1, *size)
    assert 0 <= fused.min() <= fused.max() <= 1
    assert fused.std() > 1e-4


@torch.inference_mode()
def test_the_order_and_size_of_a_batch_do_not_matter(network: CSAFusion) -> None:
    batch = torch.rand(3, 2, 48, 40)
    together = network(batch)
    torch.testing.assert_close(network(batch.flip(0)).flip(0), together, rtol=0, atol=1e-5)
    torch.testing.assert_close(network(batch[1:2]), together[1:2], rtol=0, atol=1e-5)


@torch.inference_mode()
def test_air_in_both_sources_stays_exactly_black(network: CSAFusion) -> None:
    batch = torch.rand(1, 2, 64, 64)
    batch[:, :, :20] = 0
    assert (network(batch)[:, :, :20] == 0).all()


@torch.inference_mode()
def test_before_training_it_is_near_plain_averaging(network: CSAFusion) -> None:
    batch = torch.rand(1, 2, 64, 64)
    assert (network(batch) - batch.mean(dim=1, keepdim=True)).abs().mean() < 0.15


@pytest.mark.parametrize("name", ["full", "consistent"])
def test_every_parameter_takes_part(name: str) -> None:
    torch.manual_seed(1)  # one that leaves some hidden unit of the channel attention above zero
    network = CSAFusion(CONFIGURATIONS[name])
    nn.init.normal_(network.output.weight)
    network(torch.rand(2, 2, 32, 32)).square().sum().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert idle == []


@torch.inference_mode()
def test_the_article_s_output_layer_gives_the_image_itself() -> None:
    torch.manual_seed(0)
    network = CSAFusion(CONFIGURATIONS["direct-output"]).eval()
    assert (network(torch.zeros(1, 2, 32, 32)) > 0.1).all()  # no gain times nothing: a sigmoid


@pytest.mark.parametrize(
    ("name", "gone", "instead"),
    [
        ("no-dual-fusion", [EncoderFusion], None),
        ("no-attention", [ChannelAttention, SpatialAttention], None),
        ("no-adaptive", [AdaptiveConvolution, SwinBlock], TransformerBlock),
    ],
)
def test_an_ablation_lacks_just_what_it_takes_away(
    name: str, gone: list[type[nn.Module]], instead: type[nn.Module] | None
) -> None:
    full, ablated = CSAFusion(), CSAFusion(CONFIGURATIONS[name])
    for kind in (EncoderFusion, ChannelAttention, SpatialAttention, AdaptiveConvolution, SwinBlock):
        assert count(full, kind) > 0
        if kind in gone:
            assert count(ablated, kind) == 0
        elif kind is not ChannelAttention:
            assert count(ablated, kind) == count(full, kind)
    if instead is not None:
        assert count(ablated, instead) == count(full, SwinBlock)
        assert count(full, instead) == 0


@torch.inference_mode()
def test_a_token_of_four_pixels_is_one_in_both_stages_of_the_decoder() -> None:
    network = CSAFusion(NetworkConfiguration(channels=8, token=4))
    sides = [module.merge.stride[0] for module in network.modules() if isinstance(module, TokenSwinPair)]
    assert sides == [2, 4]
    former = CSAFusion(NetworkConfiguration(channels=8, token=2))
    assert [module.merge.stride[0] for module in former.modules() if isinstance(module, TokenSwinPair)] == [2]


def test_a_bounded_network_moves_no_logit_farther_than_its_reach() -> None:
    torch.manual_seed(0)
    network = CSAFusion(CONFIGURATIONS["bounded"]).eval()
    torch.nn.init.normal_(network.output.weight, std=50)
    x = torch.rand(1, 2, 48, 40)
    moved = torch.logit(network.gains(x) / 2) - network.pointwise(x)
    assert 0.9 * network.configuration.reach < moved.abs().max() < 1.01 * network.configuration.reach


@torch.inference_mode()
@pytest.mark.parametrize("name", ["full", "consistent"])
def test_without_clipping_values_above_white_are_left(name: str) -> None:
    torch.manual_seed(0)
    network = CSAFusion(CONFIGURATIONS[name]).eval()
    torch.nn.init.constant_(network.output.bias, 3.0)
    x = torch.rand(1, 2, 48, 40)
    unclipped = network(x, clip=False)
    assert torch.equal(unclipped, (network.gains(x) * x).sum(dim=1, keepdim=True))
    assert unclipped.max() > 1.5
    assert torch.equal(network(x), unclipped.clamp(0, 1))


@torch.inference_mode()
def test_before_training_a_consistent_network_is_one_function_of_the_two_values() -> None:
    torch.manual_seed(0)
    network = CSAFusion(CONFIGURATIONS["consistent"]).eval()
    batch = torch.rand(1, 2, 48, 40)
    batch[:, :, 30] = torch.tensor([0.7, 0.2])[None, :, None]
    batch[:, :, :, 5] = torch.tensor([0.7, 0.2])[None, :, None]
    fused = network(batch)[0, 0]
    alike = torch.cat([fused[30], fused[:, 5]])
    assert alike.max() - alike.min() < 1e-6
    assert fused.std() > 0.05


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_comes_back_from_json(name: str) -> None:
    configuration = CONFIGURATIONS[name]
    assert NetworkConfiguration.from_dict(json.loads(json.dumps(configuration.to_dict()))) == configuration


def test_unknown_entries_are_refused() -> None:
    with pytest.raises(InputError, match="depth"):
        NetworkConfiguration.from_dict({"depth": 3})


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 12},
        {"channels": 0},
        {"window": 7},
        {"token": 3},
        {"pointwise": True, "gains": False},
        {"reach": 0.4},
        {"pointwise": True, "reach": -1},
    ],
)
def test_values_the_network_cannot_be_built_with_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        NetworkConfiguration(**wrong)


def test_a_file_of_before_the_pointwise_part_is_a_network_without_it() -> None:
    former = NetworkConfiguration.from_dict({"channels": 8, "window": 8, "gains": True})
    assert (former.pointwise, former.token, former.reach) == (False, 1, 0)


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
    grouped = csafusion._grouped(x, layer.kernels(x))
    torch.testing.assert_close(grouped, csafusion._one_by_one(x, layer.kernels(x)))


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


def test_attention_reaches_across_the_whole_image() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 16, 64, 64, requires_grad=True)
    TransformerBlock(16)(x)[0, :, 0, 0].sum().backward()
    assert x.grad[0, :, -1, -1].abs().max() > 0


def test_every_position_has_a_code_of_its_own() -> None:
    codes = sinusoidal_positions(6, 5, 16, torch.device("cpu"))
    assert codes.shape == (30, 16)
    distances = torch.cdist(codes, codes) + 9 * torch.eye(30)
    assert distances.min() > 0.1


@pytest.mark.parametrize("token", [0, 1, 2])
def test_a_stage_doubles_the_resolution_and_listens_to_both_of_its_inputs(token: int) -> None:
    torch.manual_seed(0)
    stage = DecoderStage(16, replace(CONFIGURATIONS["full"], token=token))
    deep = torch.randn(2, 32, 8, 8, requires_grad=True)
    skip = torch.randn(2, 16, 16, 16, requires_grad=True)
    result = stage(deep, skip)
    assert result.shape == skip.shape
    result.square().sum().backward()
    assert deep.grad.abs().max() > 0
    assert skip.grad.abs().max() > 0


def plain_attention(block: SwinBlock, x: torch.Tensor) -> torch.Tensor:
    """Attention inside each true window, one window after the other, on the image as it lies: no roll, no mask."""
    attention, window, shift = block.attention, block.window, block.shift
    _, height, width, channels = x.shape
    result = torch.empty_like(x)
    if height <= window and width <= window:
        shift = 0  # nothing beyond the one window to exchange with
    rows, columns = ([0, *range(shift or window, length, window), length] for length in (height, width))
    for top, bottom in zip(rows[:-1], rows[1:], strict=True):
        for left, right in zip(columns[:-1], columns[1:], strict=True):
            tokens = x[0, top:bottom, left:right].reshape(-1, channels)
            places = [(row, column) for row in range(top, bottom) for column in range(left, right)]
            result[0, top:bottom, left:right] = one_window(attention, tokens, places, window).view(
                bottom - top, right - left, channels
            )
    return result


def one_window(attention, tokens, places, window):  # noqa: ANN001, ANN201
    size = tokens.shape[1] // attention.heads
    query, key, value = attention.qkv(tokens).chunk(3, dim=1)
    heads = []
    for head in range(attention.heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / size**0.5
        for i, (row, column) in enumerate(places):
            for j, (other_row, other_column) in enumerate(places):
                entry = (row - other_row + window - 1) * (2 * window - 1) + column - other_column + window - 1
                scores[i, j] = scores[i, j] + attention.bias_table[entry, head]
        heads.append(scores.softmax(dim=1) @ value[:, part])
    return attention.project(torch.cat(heads, dim=1))


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (4, 4), (8, 12), (4, 8), (12, 16)])
def test_attention_stays_inside_each_true_window(shifted: bool, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = SwinBlock(32, window=4, shifted=shifted).double()
    torch.nn.init.normal_(block.attention.bias_table)
    x = torch.randn(1, *size, 32, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(block._attend(x), plain_attention(block, x))


def test_the_second_sample_of_a_batch_is_treated_as_the_first() -> None:
    torch.manual_seed(0)
    block = SwinBlock(16, window=4, shifted=True)
    x = torch.randn(3, 8, 12, 16)
    torch.testing.assert_close(block(x)[1:2], block(x[1:2]))


def test_an_image_of_one_window_attends_over_all_of_it_even_when_shifted() -> None:
    torch.manual_seed(0)
    block = SwinBlock(16, window=4, shifted=True)
    x = torch.randn(1, 4, 4, 16, requires_grad=True)
    block(x)[0, 0, 0].sum().backward()
    assert x.grad[0, 3, 3].abs().max() > 0


def test_windows_go_back_to_where_they_came_from() -> None:
    x = torch.randn(2, 12, 8, 5)
    torch.testing.assert_close(from_windows(to_windows(x, 4), 4, 12, 8), x)


def test_relative_positions_name_the_offset_of_every_pair() -> None:
    positions = relative_positions(3)
    assert positions.shape == (9, 9)
    assert len(positions.unique()) == 25
    assert (positions.diagonal() == 12).all()  # the offset (0, 0) is the middle of the 5 x 5 table
    assert positions[0, 8] == 0  # offset (-2, -2)
