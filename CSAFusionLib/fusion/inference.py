"""The network over a stack of slices: in batches, with progress, and within the memory there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.progress import Progress, silent

if TYPE_CHECKING:
    from CSAFusionLib.network.csafusion import CSAFusion

STAGE = "Fusing slices"

# What one batch may hold without a batch size asked for, in slices of 256 x 256 pixels.
_SLICES_AT_ONCE = {"cpu": 2, "mps": 8, "cuda": 32}
_SMALLEST_SIDE = 16  # pixels; the network's own lower limit


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
    """Give the network each slice of ``a`` with the same slice of ``b``; the result does not depend on the batch size.

    It gives the gains of both sources, or the fused pixels if it is one that predicts those. Slices that are zero in
    both sources stay exactly zero and cost nothing. When memory runs out the batch is halved,
    and when a single slice is too much for an accelerator the rest runs on the CPU.

    Args:
        network: in evaluation mode.
        a, b: (S, H, W) in [0, 1].
        batch_size: slices at a time; None chooses by the device and the size of a slice.

    Raises:
        InputError: not even one slice fits in the memory of the CPU.
        Cancelled: from ``progress``, between batches.
    """
    run = _Run(network, device, batch_size or _default_batch_size(device, a.shape[1:]))
    values = np.zeros((2 if network.configuration.gains else 1, *a.shape), dtype=np.float32)
    filled = np.logical_or(a.any(axis=(1, 2)), b.any(axis=(1, 2)))
    wanted = np.flatnonzero(filled)
    done = 0
    progress(STAGE, 0, len(wanted))
    while done < len(wanted):
        batch = wanted[done : done + run.batch_size]
        result = run.forward(a[batch], b[batch])
        if result is None:
            continue
        values[:, batch] = result.swapaxes(0, 1)
        done += len(batch)
        progress(STAGE, done, len(wanted))
    return NetworkOutput(values, filled, run.device, run.warnings)


class _Run:
    """The network where it now lives, and how much it is given at a time; both shrink when memory runs out."""

    def __init__(self, network: CSAFusion, device: Device, batch_size: int) -> None:
        self.network = network.to(device.torch_device)
        self.device = device
        self.batch_size = batch_size
        self.warnings: list[str] = []

    def forward(self, a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
        """The output for a batch (B, C, H, W), or None when it did not fit and must be tried again in another way."""
        try:
            return _forward(self.network, a, b, self.device.torch_device)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        # Outside the handler: the traceback would keep the failed batch's memory alive.
        self._make_room(a.shape)
        return None

    def _make_room(self, shape: tuple[int, ...]) -> None:
        if shape[0] > 1:
            self.batch_size = shape[0] // 2
            self._warn(
                f"Memory ran out on {self.device.torch_device}; went on with {self.batch_size} slices at a time."
            )
        elif self.device.torch_device != "cpu":
            self._warn(f"Memory ran out on {self.device.torch_device}; went on with the CPU, which is slower.")
            self.device = Device("cpu", f"memory ran out on {self.device.torch_device}")
            self.network = self.network.to("cpu")
        else:
            raise InputError(
                f"There is not enough memory to fuse one slice of {shape[1]} x {shape[2]} pixels; "
                "close other programs or resample the fixed volume to larger voxels."
            )

    def _warn(self, message: str) -> None:
        self.warnings.append(message)


def _forward(network: CSAFusion, a: np.ndarray, b: np.ndarray, device: str) -> np.ndarray:
    import torch

    height, width = a.shape[1:]
    pair = _padded(np.stack([a, b], axis=1).astype(np.float32, copy=False))
    with torch.inference_mode():
        slices = torch.from_numpy(pair).to(device)
        output = network.gains(slices) if network.configuration.gains else network(slices)
        return output[:, :, :height, :width].cpu().numpy()


def _padded(pair: np.ndarray) -> np.ndarray:
    """The slices, with zeros added below and to the right where a side is shorter than the network can take."""
    missing = [max(0, _SMALLEST_SIDE - side) for side in pair.shape[2:]]
    if not any(missing):
        return pair
    return np.pad(pair, ((0, 0), (0, 0), (0, missing[0]), (0, missing[1])))


def _default_batch_size(device: Device, shape: tuple[int, ...]) -> int:
    slices = _SLICES_AT_ONCE[device.torch_device.partition(":")[0]]
    return max(1, round(slices * 256 * 256 / (shape[0] * shape[1])))


def _is_out_of_memory(error: BaseException) -> bool:
    """CUDA has a class of its own for it; MPS and the CPU allocator only say so."""
    import torch

    said = str(error).lower()
    return isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or any(
        phrase in said for phrase in ("out of memory", "can't allocate memory", "not enough memory")
    )
