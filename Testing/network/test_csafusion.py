"""The whole network."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from CSAFusionLib.errors import InputError
from CSAFusionLib.network.configuration import CONFIGURATIONS, NetworkConfiguration
from CSAFusionLib.network.csafusion import CSAFusion, PointwiseGains
from CSAFusionLib.network.decoder import TransformerBlock
from CSAFusionLib.network.encoder import AdaptiveConvolution, ChannelAttention, EncoderFusion, SpatialAttention
from CSAFusionLib.network.swin import SwinBlock


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
    torch.manual_seed(0)
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
def test_a_bounded_network_moves_no_logit_farther_than_its_reach() -> None:
    torch.manual_seed(0)
    network = CSAFusion(CONFIGURATIONS["bounded"]).eval()
    torch.nn.init.normal_(network.output.weight, std=50)
    x = torch.rand(1, 2, 48, 40)
    moved = torch.logit(network.gains(x) / 2) - network.pointwise(x)
    assert 0.9 * network.configuration.reach < moved.abs().max() < 1.01 * network.configuration.reach


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
