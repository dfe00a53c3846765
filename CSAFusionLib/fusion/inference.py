"""The network over a stack of slices: in batches, with progress, and within the memory there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.errors import InputError, NotEnoughMemory
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.engines import BatchesOnDevice, Output, SlicesOnThreads
from CSAFusionLib.fusion.sources import Slices
from CSAFusionLib.memory.exhaustion import is_out_of_memory
from CSAFusionLib.progress import Progress, silent

if TYPE_CHECKING:
    from CSAFusionLib.network.csafusion import CSAFusion

STAGE = "Fusing slices"

# What one batch may hold without a batch size asked for, in slices of 256 x 256 pixels.
_SLICES_AT_ONCE = {"mps": 8, "cuda": 32}
# What the threads of a CPU may hold together: some 300 bytes for each of these pixels.
_PIXELS_AT_ONCE = 16 * 512 * 512


class NetworkRun:
    """The network over a stack of slices, where it now lives, and how much of it at a time; both shrink with memory.

    It gives the gains of both sources, or the fused pixels if it is one that predicts those. Slices that are zero in
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
        """Take what is to be done.

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
    """Return how many slices of a shape (H, W) are in this machine's own memory at a time; 0 on a CUDA card."""
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
