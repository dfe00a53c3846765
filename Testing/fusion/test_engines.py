"""CSAFusionLib.fusion.engines"""

from __future__ import annotations

import threading

import numpy as np
import torch

from CSAFusionLib.fusion.engines import BatchesOnDevice, SlicesOnThreads
from CSAFusionLib.network.configuration import NetworkConfiguration

WANTED = [0, 2, 3, 5, 6]


class Average(torch.nn.Module):
    """A network whose answer is known; it remembers its batches' sizes, the threads and PyTorch's number in them."""

    configuration = NetworkConfiguration(gains=False)

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.seen: set[tuple[str, int]] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(x))
        self.seen.add((threading.current_thread().name, torch.get_num_threads()))
        return x.mean(dim=1, keepdim=True)


def a_pair(height: int = 20, width: int = 18) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.random.default_rng(0).random((2, 7, height, width), dtype=np.float32)
    return a, b


def collected(outputs: object, a: np.ndarray) -> np.ndarray:
    values = np.full((1, *a.shape), np.nan, np.float32)
    for batch, output in outputs:  # type: ignore[attr-defined]
        values[:, batch] = output.swapaxes(0, 1)
    return values


def test_both_engines_give_each_wanted_slice_its_output_and_no_other() -> None:
    a, b = a_pair(9, 12)
    expected = np.full((1, *a.shape), np.nan, np.float32)
    expected[0, WANTED] = (a + b)[WANTED] / 2
    on_threads = SlicesOnThreads(Average(), 2)
    # No accelerator here: the CPU stands for one.
    for engine in (on_threads, BatchesOnDevice(Average(), "cpu", 2)):
        np.testing.assert_allclose(collected(engine.outputs(a, b, WANTED), a), expected, atol=1e-7)
    on_threads.close()


def test_slices_on_threads_are_alone_each_on_one_of_pytorch_s_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        network = Average()
        engine = SlicesOnThreads(network, 2)
        collected(engine.outputs(*a_pair(), WANTED), a_pair()[0])
        engine.close()
        assert network.batches == [1] * len(WANTED)
        assert {threads for _, threads in network.seen} == {1}
        assert all(name.startswith("fusion") for name, _ in network.seen)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_device_has_its_next_batch_before_the_one_before_is_fetched() -> None:
    a, b = a_pair()
    network = Average()
    outputs = BatchesOnDevice(network, "cpu", 2).outputs(a, b, WANTED)
    first, _ = next(outputs)
    assert first == [0, 2]
    assert network.batches == [2, 2]
    assert [batch for batch, _ in outputs] == [[3, 5], [6]]


def test_a_network_of_another_kind_runs_as_it_is_trained(a_network: torch.nn.Module) -> None:
    from CSAFusionLib.network.configuration import CONFIGURATIONS
    from CSAFusionLib.network.csafusion import CSAFusion

    a, b = a_pair(32, 32)
    network = CSAFusion(CONFIGURATIONS["no-adaptive"]).eval()
    engine = SlicesOnThreads(network, 1)
    (_, output), *_ = engine.outputs(a, b, WANTED[:1])
    engine.close()
    with torch.inference_mode():
        expected = network.gains(torch.from_numpy(np.stack([a[:1], b[:1]], axis=1)))
    np.testing.assert_allclose(output, expected.numpy(), atol=1e-6)


def test_threads_do_not_run_far_ahead_of_who_takes_the_outputs() -> None:
    a, b = np.zeros((2, 40, 16, 16), np.float32)
    network = Average()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        engine = SlicesOnThreads(network, 2)
        outputs = engine.outputs(a, b, list(range(40)))
        next(outputs)
        engine.close()
        assert len(network.batches) <= 5
    finally:
        torch.set_num_threads(before)
