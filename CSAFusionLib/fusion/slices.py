"""Fuse a stack of slices: run the network over all of them, and apply its weight maps to both sources.

The network reports progress and stays within the available memory, on a CPU or an accelerator.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np

from CSAFusionLib.errors import InputError, NotEnoughMemory
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.weight_maps import apply_weight_maps, contribution_of_a, smoothed_through_slices
from CSAFusionLib.memory import is_out_of_memory
from CSAFusionLib.progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor

    from CSAFusionLib.network.csafusion import CSAFusion
    from CSAFusionLib.network.inference.network import SliceNetwork

_SMALLEST_SIDE = 16  # pixels; the network's own lower limit
_SWITCH_SECONDS = 5e-4


Output = tuple[list[int], np.ndarray]
"""The indices of slices, and the network's output for them (B, C, H, W)."""


class Slices(Protocol):
    """Slices of one shape in order: an array (S, H, W), or an object that makes each slice on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(S, H, W)."""

    def __getitem__(self, index: int, /) -> np.ndarray:
        """One slice (H, W) float32 in [0, 1]."""


class SlicesOnThreads:
    """The network on the CPU: each slice on its own, by one thread, several slices side by side.

    PyTorch's own threads wait for each other at every operation, which on small operations costs more than it saves.
    Neither the number of threads nor the other slices change a single bit of a slice. Until :meth:`close`, PyTorch's
    number of threads is 1, and Python's threads take turns more often.
    """

    def __init__(self, network: CSAFusion, at_once: int) -> None:
        """Take ``at_once`` slices at a time, but no more than PyTorch has threads."""
        import torch

        from CSAFusionLib.network.inference.network import SliceNetwork, fits

        network = network.to("cpu")
        self._network = SliceNetwork(network) if fits(network) else network
        self._threads_before = torch.get_num_threads()
        self.at_once = min(at_once, self._threads_before)
        torch.set_num_threads(1)
        # At Python's own 5 ms the threads wait for each other's Python between two operations, for 4 % of the time.
        self._interval_before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        # Each thread has its own setting, which a call elsewhere does not change. The calling thread, which also takes
        # the outputs, is one of them: one thread more than there are cores would only evict the others' slices from the
        # caches.
        others = self.at_once - 1
        self._pool = ThreadPoolExecutor(others, "fusion", torch.set_num_threads, (1,)) if others else None

    def outputs(self, a: Slices, b: Slices, wanted: list[int]) -> Iterator[Output]:
        """The outputs for the slices ``wanted`` of ``a`` and ``b`` (S, H, W), in order."""

        def fuse(index: int) -> Output:
            return [index], _to_host(_apply(self._network, _paired(a, b, [index])), a.shape)

        if self._pool is None or len(wanted) == 1:
            yield from map(fuse, wanted)
            return
        ahead = iter(wanted)
        pending: deque[tuple[int, Future[Output]]] = deque()
        for _ in wanted:
            # No more than keep the threads busy, because outputs that are not taken yet would fill the memory.
            for index in islice(ahead, 2 * self.at_once - len(pending)):
                pending.append((index, self._pool.submit(fuse, index)))
            while not pending[0][1].done() and (place := _taken_back(pending)) is not None:
                index = pending[place][0]
                pending[place] = index, _known(fuse(index))
            yield pending.popleft()[1].result()

    def close(self) -> None:
        """Wait for what still runs, and give PyTorch its threads back."""
        import torch

        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._threads_before)
        sys.setswitchinterval(self._interval_before)


def _taken_back(pending: Sequence[tuple[int, Future[Output]]]) -> int | None:
    """Take back the first slice that no thread has begun; return its place, or None when all are under way."""
    return next((place for place, (_, future) in enumerate(pending) if future.cancel()), None)


def _known(output: Output) -> Future[Output]:
    future: Future[Output] = Future()
    future.set_result(output)
    return future


class BatchesOnDevice:
    """The network on an accelerator, a batch of slices at a time."""

    def __init__(self, network: CSAFusion, device: str, at_once: int) -> None:
        self._network = network.to(device)
        self._device = device
        self.at_once = at_once

    def outputs(self, a: Slices, b: Slices, wanted: list[int]) -> Iterator[Output]:
        """The outputs for the slices ``wanted`` of ``a`` and ``b`` (S, H, W), in order.

        Each batch is sent before the previous one is fetched, so that the device need not wait for the host.
        """
        before: tuple[list[int], Tensor] | None = None
        for start in range(0, len(wanted), self.at_once):
            batch = wanted[start : start + self.at_once]
            sent = _apply(self._network, self._send(_paired(a, b, batch)))
            if before is not None:
                yield before[0], _to_host(before[1], a.shape)
            before = batch, sent
        if before is not None:
            yield before[0], _to_host(before[1], a.shape)

    def _send(self, pair: Tensor) -> Tensor:
        # CUDA copies from pinned memory by itself, while the host goes on.
        is_cuda = self._device.startswith("cuda")
        return (pair.pin_memory() if is_cuda else pair).to(self._device, non_blocking=is_cuda)

    def close(self) -> None:
        """Do nothing: only the network holds memory."""


def _paired(a: Slices, b: Slices, batch: list[int]) -> Tensor:
    """Slices of both sources as the network takes them, (B, 2, H, W) float32.

    Zeros are added below and to the right where a side is shorter than the network can take.
    """
    import torch

    _, height, width = a.shape
    pair = torch.zeros(len(batch), 2, max(height, _SMALLEST_SIDE), max(width, _SMALLEST_SIDE))
    for into, index in zip(pair.numpy()[:, :, :height, :width], batch, strict=True):
        into[0], into[1] = a[index], b[index]
    return pair


def _apply(network: CSAFusion | SliceNetwork, pair: Tensor) -> Tensor:
    import torch

    with torch.inference_mode():
        return network.local_gains(pair) if network.configuration.gains else network(pair)


def _to_host(output: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """An output (B, C, H, W) without what :func:`_paired` added to slices of this shape (S, H, W)."""
    return output[:, :, : shape[1], : shape[2]].cpu().numpy()


STAGE = "Fusing slices"

# The size of a batch if none is requested, in slices of 256 x 256 pixels.
_SLICES_AT_ONCE = {"mps": 8, "cuda": 32}
# The pixels that the threads of a CPU hold together, with some 300 bytes for each.
_PIXELS_AT_ONCE = 16 * 512 * 512


class NetworkRun:
    """The network over a stack of slices: on which device, and how many slices at a time; both yield to lack of memory.

    It gives the gains of both sources or, if the network predicts pixels, the fused pixels. Slices that are zero in
    both sources are left out and cost nothing. On a CPU the result is the same, bit for bit, for every batch size and
    number of threads. When memory runs out the batch is halved, and when a single slice is too much for an accelerator
    the rest runs on the CPU. Used in a ``with`` block.

    ``filled`` (S,) tells which slices are not left out; ``device`` and ``warnings`` hold when all is done.
    """

    def __init__(
        self,
        network: CSAFusion,
        a: Slices,
        b: Slices,
        device: Device,
        batch_size: int | None = None,
        progress: Progress = silent,
    ) -> None:
        """Prepare the run.

        Args:
            network: in evaluation mode.
            a, b: (S, H, W) in [0, 1]; each slice of ``a`` goes with the same slice of ``b``.
            batch_size: slices at a time, on a CPU no more than PyTorch has threads; None chooses by the device and the
                size of a slice.
        """
        self.network, self.device, self.warnings = network, device, list[str]()
        self.filled = np.array([a[index].any() or b[index].any() for index in range(a.shape[0])], bool)
        self._a, self._b = a, b
        self._batch_size = batch_size or _default_batch_size(device, a.shape[1:])
        self._progress = progress

    def __enter__(self) -> NetworkRun:
        self._place()
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def outputs(self) -> Iterator[tuple[int, np.ndarray]]:
        """The index of each filled slice and the network's output for it (C, H, W), in order.

        Raises:
            InputError: not even one slice fits in the memory of the CPU, or an output is not finite.
            Cancelled: from ``progress``, between slices.
        """
        wanted = np.flatnonzero(self.filled).tolist()
        done = 0
        self._progress(STAGE, 0, len(wanted))
        while done < len(wanted):
            for batch, output in self._until_memory_runs_out(wanted[done:]):
                _check_finite(output, self.device)
                yield from zip(batch, output, strict=True)
                done += len(batch)
                self._progress(STAGE, done, len(wanted))

    def _until_memory_runs_out(self, wanted: list[int]) -> Iterator[Output]:
        try:
            yield from self._engine.outputs(self._a, self._b, wanted)
            return
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler: the traceback would keep the failed batch's memory alive.
        self._engine.close()
        self._make_room(min(self._engine.at_once, len(wanted)))
        self._place()

    def _place(self) -> None:
        if _is_cpu(self.device):
            self._engine: SlicesOnThreads | BatchesOnDevice = SlicesOnThreads(self.network, self._batch_size)
        else:
            self._engine = BatchesOnDevice(self.network, self.device.torch_device, self._batch_size)

    def _make_room(self, at_once: int) -> None:
        if at_once > 1:
            self._batch_size = at_once // 2
            self._warn(
                f"Memory ran out on {self.device.torch_device}; went on with {self._batch_size} slices at a time."
            )
        elif not _is_cpu(self.device):
            self._warn(f"Memory ran out on {self.device.torch_device}; went on with the CPU, which is slower.")
            self.device = Device("cpu", f"memory ran out on {self.device.torch_device}")
        else:
            raise NotEnoughMemory(
                f"There is not enough memory to fuse one slice of {self._a.shape[1]} x {self._a.shape[2]} pixels; "
                "close other programs or resample the fixed volume to larger voxels."
            )

    def _warn(self, message: str) -> None:
        self.warnings.append(message)


def slices_in_memory(device: Device, shape: tuple[int, int], batch_size: int | None = None) -> int:
    """Return how many slices of a shape (H, W) are held in main memory at a time; 0 on a CUDA card."""
    import torch

    if device.torch_device.startswith("cuda"):
        return 0
    at_once = batch_size or _default_batch_size(device, shape)
    return min(at_once, torch.get_num_threads()) if _is_cpu(device) else at_once


def _check_finite(values: np.ndarray, device: Device) -> None:
    if not np.isfinite(values).all():
        raise InputError(
            f"The network gave values that are not finite on {device.torch_device}; choose other weights, or the CPU."
        )


def _default_batch_size(device: Device, shape: tuple[int, ...]) -> int:
    if _is_cpu(device):
        return max(1, _PIXELS_AT_ONCE // (shape[0] * shape[1]))
    slices = _SLICES_AT_ONCE[device.torch_device.partition(":")[0]]
    return max(1, round(slices * 256 * 256 / (shape[0] * shape[1])))


def _is_cpu(device: Device) -> bool:
    return device.torch_device.partition(":")[0] == "cpu"


ALONE = np.ones(1)
"""The weights of neighbours for slices that do not form a volume."""


@dataclass(frozen=True)
class FusedSlices:
    """The fused slices (S, H, W) float32 in [0, 1], the device that finished them, and what the user should know.

    ``contribution`` (S, H, W) in [0, 1] is what of them comes from A; None where it was not asked for, and for a
    network that predicts pixels.
    """

    slices: np.ndarray
    device: Device
    warnings: list[str] = field(default_factory=list)
    contribution: np.ndarray | None = None


def fuse_slices(
    network: CSAFusion,
    a: Slices,
    b: Slices,
    device: Device,
    *,
    strengths: tuple[float, float] = (1.0, 1.0),
    neighbours: np.ndarray = ALONE,
    batch_size: int | None = None,
    with_contribution: bool = False,
    progress: Progress = silent,
) -> FusedSlices:
    """Fuse each slice of ``a`` with the same slice of ``b``; slices that are zero in both stay exactly zero.

    Args:
        network: in evaluation mode.
        a, b: (S, H, W) in [0, 1].
        strengths: factors on top of the network's weight maps, of a and of b, as
            :func:`CSAFusionLib.fusion.weight_maps.strengths_of` gives.
        neighbours: weights of neighbouring slices in a slice's maps, as
            :func:`CSAFusionLib.fusion.weight_maps.neighbour_weights` gives; a network that predicts pixels has none.
        batch_size: as :class:`NetworkRun` takes it.
        with_contribution: whether to give the contribution of A too.

    Raises:
        InputError: not even one slice fits in the memory of the CPU.
        Cancelled: from ``progress``, between batches.
    """
    run = NetworkRun(network, a, b, device, batch_size, progress)
    has_gains = network.configuration.gains
    fused = np.zeros(a.shape, dtype=np.float32)
    contribution = np.full(a.shape, 0.5, dtype=np.float32) if with_contribution and has_gains else None
    with run:
        outputs, gains_from = run.outputs(), _pointwise(network)
        for index, output in smoothed_through_slices(outputs, run.filled, neighbours if has_gains else ALONE):
            if not has_gains:
                fused[index] = output[0]
                continue
            pair = np.stack([a[index], b[index]])
            fused[index], parts = apply_weight_maps(gains_from(output, pair), pair[0], pair[1], strengths)
            if contribution is not None:
                contribution[index] = contribution_of_a(parts)
    return FusedSlices(fused, run.device, run.warnings, contribution)


def _pointwise(network: CSAFusion) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a function from what a slice shares with its neighbours, and its two sources, to its gains, all (2, H, W).

    What the two values of a pixel decide is not shared, and so is exactly the same in every slice.
    """
    if not network.configuration.pointwise:
        return lambda local, pair: local

    import torch

    from CSAFusionLib.network.inference.convolution import PointwiseMap

    pointwise = PointwiseMap(network)
    return lambda local, pair: pointwise.gains(torch.from_numpy(local), torch.from_numpy(pair)).numpy()
