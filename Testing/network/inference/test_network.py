"""CSAFusionLib.network.inference.network"""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import FlopCounterMode

from CSAFusionLib.network.configuration import CONFIGURATIONS, NetworkConfiguration
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.network.inference.network import SliceNetwork, fits
from CSAFusionLib.weights.weights_file import bundled_checksums, load_network


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
