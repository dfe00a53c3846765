"""The two ways to run the network: a CPU takes slices one by one on several threads, an accelerator takes batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.fusion.sources import Slices

if TYPE_CHECKING:
    from torch import Tensor

    from CSAFusionLib.network.csafusion import CSAFusion
    from CSAFusionLib.network.inference.network import SliceNetwork

_SMALLEST_SIDE = 16  # pixels; the network's own lower limit


Output = tuple[list[int], np.ndarray]
"""Which slices, and what the network gave for them (B, C, H, W)."""


class SlicesOnThreads:
    """The network on the CPU: each slice on its own, by one thread, several slices side by side.

    PyTorch's own threads wait for each other at every operation, which on small operations costs more than it saves.
    Neither the number of threads nor what else is fused changes a bit of a slice. PyTorch's number of threads is 1
    until :meth:`close`.
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
        # Each thread has a number of its own, which a call elsewhere does not change.
        self._pool = (
            ThreadPoolExecutor(self.at_once, "fusion", torch.set_num_threads, (1,)) if self.at_once > 1 else None
        )

    def outputs(self, a: Slices, b: Slices, wanted: list[int]) -> Iterator[Output]:
        """The outputs for the slices ``wanted`` of ``a`` and ``b`` (S, H, W), in order."""

        def fuse(index: int) -> Output:
            return [index], _to_host(_apply(self._network, _paired(a, b, [index])), a.shape)

        if self._pool is None or len(wanted) == 1:
            yield from map(fuse, wanted)
            return
        pending: deque[Future[Output]] = deque()
        for index in wanted:
            pending.append(self._pool.submit(fuse, index))
            # No more than keeps the threads busy: outputs that nobody has taken yet would fill the memory.
            if len(pending) > 2 * self.at_once:
                yield pending.popleft().result()
        for future in pending:
            yield future.result()

    def close(self) -> None:
        """Wait for what still runs, and give PyTorch its threads back."""
        import torch

        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._threads_before)


class BatchesOnDevice:
    """The network on an accelerator, a batch of slices at a time."""

    def __init__(self, network: CSAFusion, device: str, at_once: int) -> None:
        self._network = network.to(device)
        self._device = device
        self.at_once = at_once

    def outputs(self, a: Slices, b: Slices, wanted: list[int]) -> Iterator[Output]:
        """The outputs for the slices ``wanted`` of ``a`` and ``b`` (S, H, W), in order.

        Each batch is sent before the one before it is fetched, so that the device need not wait for the host.
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
        # From pinned memory CUDA copies by itself, while the host goes on.
        is_cuda = self._device.startswith("cuda")
        return (pair.pin_memory() if is_cuda else pair).to(self._device, non_blocking=is_cuda)

    def close(self) -> None:
        """Nothing is held that the network does not hold."""


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
        return network.gains(pair) if network.configuration.gains else network(pair)


def _to_host(output: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """An output (B, C, H, W) without what :func:`_paired` added to slices of this shape (S, H, W)."""
    return output[:, :, : shape[1], : shape[2]].cpu().numpy()
