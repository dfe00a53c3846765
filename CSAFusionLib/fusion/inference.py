"""The network over a stack of slices: in batches, with progress, and within the memory there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.fusion.engines import BatchesOnDevice, Output, SlicesOnThreads
from CSAFusionLib.progress import Progress, silent

if TYPE_CHECKING:
    from CSAFusionLib.network.csafusion import CSAFusion

STAGE = "Fusing slices"

# What one batch may hold without a batch size asked for, in slices of 256 x 256 pixels.
_SLICES_AT_ONCE = {"mps": 8, "cuda": 32}
# What the threads of a CPU may hold together: some 300 bytes for each of these pixels.
_PIXELS_AT_ONCE = 16 * 512 * 512


@dataclass(frozen=True)
class NetworkOutput:
    """What the network gave, (C, S, H, W) float32, for which slices (S,), the device, and what the user should know."""

    values: np.ndarray
    filled: np.ndarray
    device: Device
    warnings: list[str] = field(default_factory=list)


def run_network(
    network: CSAFusion,
    a: np.ndarray,
    b: np.ndarray,
    device: Device,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> NetworkOutput:
    """Give the network each slice of ``a`` with the same slice of ``b``.

    It gives the gains of both sources, or the fused pixels if it is one that predicts those. Slices that are zero in
    both sources stay exactly zero and cost nothing. On a CPU the result is the same, bit for bit, for every batch size
    and number of threads. When memory runs out the batch is halved, and when a single slice is too much for an
    accelerator the rest runs on the CPU.

    Args:
        network: in evaluation mode.
        a, b: (S, H, W) in [0, 1].
        batch_size: slices at a time, on a CPU each by a thread of its own; None chooses by the device, the threads that
            PyTorch has, and the size of a slice.

    Raises:
        InputError: not even one slice fits in the memory of the CPU, or the network gives values that are not finite.
        Cancelled: from ``progress``, between batches.
    """
    values = np.zeros((2 if network.configuration.gains else 1, *a.shape), dtype=np.float32)
    filled = np.logical_or(a.any(axis=(1, 2)), b.any(axis=(1, 2)))
    wanted = np.flatnonzero(filled)
    done = 0
    progress(STAGE, 0, len(wanted))
    with _Run(network, device, batch_size or _default_batch_size(device, a.shape[1:])) as run:
        while done < len(wanted):
            for batch, output in run.outputs(a, b, wanted[done:]):
                _check_finite(output, run.device)
                values[:, batch] = output.swapaxes(0, 1)
                done += len(batch)
                progress(STAGE, done, len(wanted))
    return NetworkOutput(values, filled, run.device, run.warnings)


class _Run:
    """The network where it now lives, and how much it is given at a time; both shrink when memory runs out."""

    def __init__(self, network: CSAFusion, device: Device, batch_size: int) -> None:
        self.network = network
        self.device = device
        self.batch_size = batch_size
        self.warnings: list[str] = []

    def __enter__(self) -> _Run:
        self._place()
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def outputs(self, a: np.ndarray, b: np.ndarray, wanted: np.ndarray) -> Iterator[Output]:
        """Which of the wanted slices came next, and their outputs; ends early when the rest must be asked for again."""
        try:
            yield from self._engine.outputs(a, b, wanted)
            return
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        # Outside the handler: the traceback would keep the failed batch's memory alive.
        self._engine.close()
        self._make_room(min(self.batch_size, len(wanted)), a.shape[1:])
        self._place()

    def _place(self) -> None:
        if _is_cpu(self.device):
            self._engine: SlicesOnThreads | BatchesOnDevice = SlicesOnThreads(self.network, self.batch_size)
        else:
            self._engine = BatchesOnDevice(self.network, self.device.torch_device, self.batch_size)

    def _make_room(self, at_once: int, shape: tuple[int, ...]) -> None:
        if at_once > 1:
            self.batch_size = at_once // 2
            self._warn(
                f"Memory ran out on {self.device.torch_device}; went on with {self.batch_size} slices at a time."
            )
        elif not _is_cpu(self.device):
            self._warn(f"Memory ran out on {self.device.torch_device}; went on with the CPU, which is slower.")
            self.device = Device("cpu", f"memory ran out on {self.device.torch_device}")
        else:
            raise InputError(
                f"There is not enough memory to fuse one slice of {shape[0]} x {shape[1]} pixels; "
                "close other programs or resample the fixed volume to larger voxels."
            )

    def _warn(self, message: str) -> None:
        self.warnings.append(message)


def _check_finite(values: np.ndarray, device: Device) -> None:
    if not np.isfinite(values).all():
        raise InputError(
            f"The network gave values that are not finite on {device.torch_device}; choose other weights, or the CPU."
        )


def _default_batch_size(device: Device, shape: tuple[int, ...]) -> int:
    import torch

    if _is_cpu(device):
        return min(torch.get_num_threads(), max(1, _PIXELS_AT_ONCE // (shape[0] * shape[1])))
    slices = _SLICES_AT_ONCE[device.torch_device.partition(":")[0]]
    return max(1, round(slices * 256 * 256 / (shape[0] * shape[1])))


def _is_cpu(device: Device) -> bool:
    return device.torch_device.partition(":")[0] == "cpu"


def _is_out_of_memory(error: BaseException) -> bool:
    """CUDA has a class of its own for it; MPS and the CPU allocator only say so."""
    import torch

    said = str(error).lower()
    return isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or any(
        phrase in said for phrase in ("out of memory", "can't allocate memory", "not enough memory")
    )
