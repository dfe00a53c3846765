"""The network for inference against the one for training, its weights moved at random so that all of them count."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import FlopCounterMode

from CSAFusionLib.network.configuration import CONFIGURATIONS, NetworkConfiguration
from CSAFusionLib.network.csafusion import (
    ChannelAttention,
    CSAFusion,
    ParallelEncoder,
    SpatialAttention,
    convolutional_encoder,
    inc,
)
from CSAFusionLib.network.inference import attention
from CSAFusionLib.network.inference.attention import StripSwinPair
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
from CSAFusionLib.network.inference.network import SliceNetwork, fits
from CSAFusionLib.network.swin import SwinPair
from CSAFusionLib.weights.weights_file import bundled_checksums, load_network

Stir = Callable[[torch.nn.Module, float], None]


@pytest.fixture
def stir() -> Stir:
    """Moves every weight and statistic of a module at random and puts it into evaluation mode."""

    def move(module: torch.nn.Module, spread: float) -> None:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, value in module.state_dict().items():
                if value.is_floating_point():
                    noise = spread * torch.randn(value.shape, generator=generator)
                    value.copy_(noise.exp() if name.endswith("running_var") else value + noise)
        module.eval()

    return move


@pytest.fixture(
    params=[
        {"channels": 8},
        {"channels": 16},
        {"channels": 8, "pointwise": True, "token": 2},
        {"channels": 8, "pointwise": True, "token": 4, "reach": 0.4},
        {"channels": 8, "token": 0},
    ],
    ids=["one head", "two heads", "tokens of 2", "bounded, tokens of 4", "no attention in the decoder"],
)
def a_stirred_network(request: pytest.FixtureRequest, stir: Stir) -> CSAFusion:
    network = CSAFusion(NetworkConfiguration(**request.param))
    stir(network, 0.1)
    return network


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def a_slice(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (64, 16), (100, 90)])
@torch.inference_mode()
def test_its_gains_are_those_of_the_network_it_was_made_of(a_stirred_network: CSAFusion, size: tuple[int, int]) -> None:
    x = a_slice(*size)
    torch.testing.assert_close(SliceNetwork(a_stirred_network).gains(x), a_stirred_network.gains(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("weights", sorted(bundled_checksums()))
@torch.inference_mode()
def test_with_the_bundled_weights_too(weights: str) -> None:
    network, _ = load_network(weights)
    x = a_slice(200, 180)
    torch.testing.assert_close(SliceNetwork(network).gains(x), network.gains(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("gains", [True, False])
@torch.inference_mode()
def test_it_fuses_as_the_network_does(gains: bool) -> None:
    torch.manual_seed(0)
    network = CSAFusion(NetworkConfiguration(channels=8, gains=gains, pointwise=gains)).eval()
    x = a_slice(40, 40)
    torch.testing.assert_close(SliceNetwork(network)(x), network(x), atol=1e-5, rtol=0)


def test_it_takes_the_network_of_the_article_and_no_ablation() -> None:
    taken = {name for name, parts in CONFIGURATIONS.items() if fits(CSAFusion(parts))}
    assert taken == {"full", "direct-output", "consistent", "bounded"}
    assert not fits(torch.nn.Identity())


def test_threads_can_share_it(one_thread: None) -> None:
    network = SliceNetwork(CSAFusion(NetworkConfiguration(channels=8)).eval())
    slices = [a_slice(64, 64) * share for share in (0.25, 0.5, 0.75, 1.0)]
    alone = [network.gains(x) for x in slices]
    beside: dict[int, torch.Tensor] = {}
    threads = [
        threading.Thread(target=lambda index=index: beside.update({index: network.gains(slices[index])}))
        for index in range(len(slices))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(beside[index], expected) for index, expected in enumerate(alone))


class BytesMade(TorchDispatchMode):
    """Counts the memory that operations give out, views and what is changed in place apart."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = operation(*args, **(kwargs or {}))
        given = {tensor.untyped_storage().data_ptr() for tensor in _tensors((args, kwargs))}
        storages = [tensor.untyped_storage() for tensor in _tensors(made)]
        self.total += sum(storage.nbytes() for storage in storages if storage.data_ptr() not in given)
        return made


def _tensors(values: Any) -> list[torch.Tensor]:
    return [value for value in tree_flatten(values)[0] if isinstance(value, torch.Tensor)]


# By the side of a token: operations of the network, of what is made of it, and the bytes that one gives out.
_BOUNDS = {1: (1.45e9, 1.33e9, 160e6), 2: (1.20e9, 1.12e9, 104e6), 4: (0.95e9, 0.92e9, 60e6)}


@pytest.mark.parametrize("weights", sorted(bundled_checksums()))
def test_a_slice_takes_no_more_operations_and_memory_than_today(weights: str) -> None:
    network, info = load_network(weights)
    folded = SliceNetwork(network)
    x = a_slice(256, 256)
    counts = []
    for one in (network, folded):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            one.gains(x)
        counts.append(counter.get_total_flops())
    with torch.inference_mode(), BytesMade() as made:
        folded.gains(x)
    for measured, bound in zip((*counts, made.total), _BOUNDS[info.configuration.token], strict=True):
        assert 0.7 * bound < measured < bound


@pytest.mark.parametrize("weights", sorted(bundled_checksums()))
def test_a_slice_finds_its_memory_where_the_one_before_left_it(one_thread: None, weights: str) -> None:
    # 256 x 256 pixels once cost 33,000 page faults, a third of the time.
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("only glibc is told to keep what is freed")
    import resource

    folded = SliceNetwork(load_network(weights)[0])
    x = a_slice(256, 256)
    for _ in range(3):
        folded.gains(x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        folded.gains(x)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 4 < 3000


def an_image(channels: int, height: int = 20, width: int = 24) -> torch.Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [8, 16, 32])
@pytest.mark.parametrize("size", [(8, 8), (8, 24), (24, 8), (32, 40)])
@pytest.mark.parametrize("at_once", [1, 3, 64])
@torch.inference_mode()
def test_strips_of_windows_give_what_all_windows_together_give(
    channels: int, size: tuple[int, int], at_once: int, stir: Stir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "_WINDOWS_AT_ONCE", at_once)
    pair = SwinPair(channels, 8)
    stir(pair, 0.2)
    x = an_image(channels, *size)
    torch.testing.assert_close(StripSwinPair(pair)(x[0]), pair(x)[0], atol=2e-5, rtol=1e-5)


@torch.inference_mode()
def test_the_input_is_left_as_it_was(stir: Stir) -> None:
    pair = SwinPair(8, 4)
    stir(pair, 0.3)
    x = an_image(8, 12, 16)
    before = x.clone()
    StripSwinPair(pair)(x[0])
    assert torch.equal(x, before)


@pytest.mark.parametrize(("size_of_scores", "as_powers"), [(1.0, True), (30.0, False)])
@torch.inference_mode()
def test_scores_too_large_for_powers_of_two_go_through_a_softmax(
    size_of_scores: float, as_powers: bool, stir: Stir
) -> None:
    pair = SwinPair(8, 8)
    stir(pair, 0.3)
    for block in pair.blocks:
        # Queries, the first third of the projection.
        block.attention.qkv.weight[:8] *= size_of_scores
    strips = StripSwinPair(pair)
    assert strips.plain.sums_powers is as_powers
    x = an_image(8, 16, 24)
    torch.testing.assert_close(strips(x[0]), pair(x)[0], atol=1e-3, rtol=1e-4)


@torch.inference_mode()
def test_no_array_is_larger_than_the_image_and_one_strip_s_scores(stir: Stir) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        """Remembers how many numbers the largest result held."""

        numbers = 0

        def __torch_dispatch__(self, function, types, arguments=(), keywords=None):  # noqa: ANN001, ANN204
            result = function(*arguments, **(keywords or {}))
            if isinstance(result, torch.Tensor):
                self.numbers = max(self.numbers, result.untyped_storage().nbytes() // 4)
            return result

    pair = SwinPair(8, 8)
    stir(pair, 0.3)
    strips, x = StripSwinPair(pair), an_image(8, 256, 256)
    with Largest() as seen:
        strips(x[0])
    # The image, with half a window more on two sides, has 541,000; the scores of all windows have 4.2 million.
    assert seen.numbers == 8 * 260 * 260


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
