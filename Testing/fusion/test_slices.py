"""The network over a stack of slices, on a CPU or an accelerator."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from CSAFusionLib.errors import Cancelled, InputError
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.slices import BatchesOnDevice, NetworkRun, SlicesOnThreads
from CSAFusionLib.network.configuration import NetworkConfiguration


class Average(torch.nn.Module):
    """A network whose answer is known; it remembers the size of each batch, and may run out of memory."""

    configuration = NetworkConfiguration(gains=False)

    def __init__(self, fits: int = 1000) -> None:
        super().__init__()
        self.fits = fits
        self.batches: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > self.fits:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.batches.append(len(x))
        return x.mean(dim=1, keepdim=True)


@dataclass
class Output:
    """What a run gave: values (C, S, H, W), NaN for slices that were left out, and what it says of itself."""

    values: np.ndarray
    filled: np.ndarray
    device: Device
    warnings: list[str]


def run_network(network: torch.nn.Module, a: np.ndarray, b: np.ndarray, device: Device, *choices, **others) -> Output:
    values = np.full((2 if network.configuration.gains else 1, *a.shape), np.nan, np.float32)
    with NetworkRun(network, a, b, device, *choices, **others) as run:
        for index, output in run.outputs():
            values[:, index] = output
    return Output(values, run.filled, run.device, run.warnings)


def slices(count: int, height: int = 24, width: int = 20, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, height, width), dtype=np.float32)


def test_each_slice_is_fused_with_its_own_partner(a_cpu: Device) -> None:
    a, b = slices(5, seed=1), slices(5, seed=2)
    fused = run_network(Average(), a, b, a_cpu, batch_size=2).values[0]
    np.testing.assert_allclose(fused, (a + b) / 2, atol=1e-7)


def test_no_bit_depends_on_the_batch_size_or_the_threads(a_cpu: Device, a_network: torch.nn.Module) -> None:
    a, b = slices(5, 40, 36, seed=1), slices(5, 40, 36, seed=2)
    expected = run_network(a_network, a, b, a_cpu, batch_size=1).values
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            for batch_size in (None, 2, 5):
                np.testing.assert_array_equal(run_network(a_network, a, b, a_cpu, batch_size).values, expected)
            alone = run_network(a_network, a[3:4], b[3:4], a_cpu).values
            np.testing.assert_array_equal(alone, expected[:, 3:4])
    finally:
        torch.set_num_threads(before)


def test_threads_are_as_before_afterwards_also_when_the_run_was_cancelled(a_cpu: Device) -> None:
    def cancel(stage: str, done: int, total: int) -> None:
        assert sys.getswitchinterval() < 0.005
        if done:
            raise Cancelled

    before = torch.get_num_threads(), sys.getswitchinterval()
    torch.set_num_threads(2)
    sys.setswitchinterval(0.005)
    try:
        run_network(Average(), slices(3), slices(3), a_cpu)
        assert (torch.get_num_threads(), sys.getswitchinterval()) == (2, 0.005)
        with pytest.raises(Cancelled):
            run_network(Average(), slices(3), slices(3), a_cpu, progress=cancel)
        assert (torch.get_num_threads(), sys.getswitchinterval()) == (2, 0.005)
    finally:
        torch.set_num_threads(before[0])
        sys.setswitchinterval(before[1])


def test_empty_slices_are_left_out(a_cpu: Device) -> None:
    a, b = slices(6, seed=1), slices(6, seed=2)
    a[[0, 4]] = b[[0, 3]] = 0
    network = Average()
    output = run_network(network, a, b, a_cpu, batch_size=2)
    fused = output.values[0]
    assert output.filled.tolist() == [False, True, True, True, True, True]
    assert np.isnan(fused[0]).all()
    np.testing.assert_allclose(fused[[3, 4]], (a[[3, 4]] + b[[3, 4]]) / 2, atol=1e-7)
    assert sum(network.batches) == 5


def test_slices_smaller_than_the_network_takes_are_fused_all_the_same(
    a_cpu: Device, a_network: torch.nn.Module
) -> None:
    gains = run_network(a_network, slices(2, 5, 30), slices(2, 5, 30), a_cpu).values
    assert gains.shape == (2, 2, 5, 30)
    assert gains.all()


def test_progress_counts_every_slice_once(a_cpu: Device) -> None:
    reports: list[tuple[int, int]] = []
    run_network(
        Average(),
        slices(5),
        slices(5),
        a_cpu,
        batch_size=2,
        progress=lambda _, done, total: reports.append((done, total)),
    )
    assert reports == [(done, 5) for done in range(6)]


def test_a_cancelled_run_stops_between_slices(a_cpu: Device) -> None:
    def cancel_after_two(stage: str, done: int, total: int) -> None:
        if done == 2:
            raise Cancelled

    network = Average()
    with pytest.raises(Cancelled):
        run_network(network, slices(5), slices(5), a_cpu, batch_size=1, progress=cancel_after_two)
    assert network.batches == [1, 1]


def test_when_memory_runs_out_fewer_threads_go_on_and_the_user_is_told(a_cpu: Device) -> None:
    class Crowded(Average):
        """It has room for one slice at a time."""

        room = threading.Semaphore(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.room.acquire(blocking=False):
                raise MemoryError
            time.sleep(0.01)
            self.room.release()
            return super().forward(x)

    a, b = slices(9, seed=1), slices(9, seed=2)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        result = run_network(Crowded(), a, b, a_cpu)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(result.values[0], (a + b) / 2, atol=1e-7)
    assert result.warnings == [
        "Memory ran out on cpu; went on with 2 slices at a time.",
        "Memory ran out on cpu; went on with 1 slices at a time.",
    ]


def test_when_an_accelerator_s_memory_runs_out_the_batch_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = slices(7, seed=1), slices(7, seed=2)
    network = Average(fits=2)
    # No accelerator: "meta" is its name here, and what is sent there stays with the host.
    monkeypatch.setattr(BatchesOnDevice, "_send", lambda self, pair: pair)
    result = run_network(network, a, b, Device("meta", "a stand-in"), batch_size=7)
    np.testing.assert_allclose(result.values[0], (a + b) / 2, atol=1e-7)
    assert max(network.batches) <= 2
    assert result.warnings == [
        "Memory ran out on meta; went on with 3 slices at a time.",
        "Memory ran out on meta; went on with 1 slices at a time.",
    ]


def test_when_one_slice_is_too_much_for_an_accelerator_the_cpu_takes_over() -> None:
    class OnlyOnTheCpu(Average):
        def to(self, device: str) -> torch.nn.Module:
            self.fits = 1000 if device == "cpu" else 0
            return self

    a, b = slices(3, seed=1), slices(3, seed=2)
    # PyTorch's "meta" device stands for an accelerator: tensors can be sent there on any machine.
    network, accelerator = OnlyOnTheCpu(), Device("meta", "asked for")
    result = run_network(network, a, b, accelerator, batch_size=2)
    np.testing.assert_allclose(result.values[0], (a + b) / 2, atol=1e-7)
    assert result.device.torch_device == "cpu"
    assert any("the CPU" in warning for warning in result.warnings)


def test_when_not_even_the_cpu_holds_one_slice_the_user_is_told_what_to_do(a_cpu: Device) -> None:
    with pytest.raises(InputError, match="not enough memory to fuse one slice of 24 x 20 pixels"):
        run_network(Average(fits=0), slices(2), slices(2), a_cpu)


def test_another_failure_is_not_taken_for_a_lack_of_memory(a_cpu: Device) -> None:
    class Broken(Average):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        run_network(Broken(), slices(1), slices(1), a_cpu)


def test_an_accelerator_gives_the_cpu_s_result(a_cpu: Device, a_network: torch.nn.Module) -> None:
    if not torch.cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    a, b = slices(3, 64, 48, seed=1), slices(3, 64, 48, seed=2)
    on_cpu = run_network(a_network, a, b, a_cpu).values
    on_gpu = run_network(a_network, a, b, Device("cuda", "asked for")).values
    np.testing.assert_allclose(on_gpu, on_cpu, atol=2e-3)


WANTED = [0, 2, 3, 5, 6]


class CountingAverage(torch.nn.Module):
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
    on_threads = SlicesOnThreads(CountingAverage(), 2)
    # No accelerator here: the CPU stands for one.
    for engine in (on_threads, BatchesOnDevice(CountingAverage(), "cpu", 2)):
        np.testing.assert_allclose(collected(engine.outputs(a, b, WANTED), a), expected, atol=1e-7)
    on_threads.close()


def test_slices_on_threads_are_alone_each_on_one_of_pytorch_s_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        network = CountingAverage()
        engine = SlicesOnThreads(network, 2)
        collected(engine.outputs(*a_pair(), WANTED), a_pair()[0])
        engine.close()
        assert network.batches == [1] * len(WANTED)
        assert {threads for _, threads in network.seen} == {1}
        # One beside the calling thread, which works too: no more run than there are to be.
        assert {name for name, _ in network.seen} <= {threading.current_thread().name, "fusion_0"}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_calling_thread_fuses_what_no_other_has_begun() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Held(CountingAverage):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if threading.current_thread().name == "fusion_0":
                begun.set()
                assert go_on.wait(10)
            else:
                assert begun.wait(10)
                go_on.set()
            return super().forward(x)

    network, before = Held(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        engine = SlicesOnThreads(network, 2)
        order = [index for batch, _ in engine.outputs(*a_pair(), WANTED) for index in batch]
        engine.close()
    finally:
        torch.set_num_threads(before)
    assert order == WANTED
    assert {name for name, _ in network.seen} == {threading.current_thread().name, "fusion_0"}


def test_a_device_has_its_next_batch_before_the_one_before_is_fetched() -> None:
    a, b = a_pair()
    network = CountingAverage()
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
    network = CountingAverage()
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
