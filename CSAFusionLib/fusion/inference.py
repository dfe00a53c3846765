"""The network over a stack of slices: in batches, with progress, and within the memory there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.device import Device
from CSAFusionLib.progress import Progress, silent

if TYPE_CHECKING:
    import torch

STAGE = "Fusing slices"

# What one batch may hold without a batch size asked for, in slices of 256 x 256 pixels.
_SLICES_AT_ONCE = {"cpu": 2, "mps": 8, "cuda": 32}
_SMALLEST_SIDE = 16  # pixels; the network's own lower limit


@dataclass(frozen=True)
class FusedSlices:
    """The fused slices (S, H, W) float32 in [0, 1], the device that finished them, and what the user should know.

    ``share`` (S, H, W) in [0, 1] is what of them comes from A, where the network says so.
    """

    slices: np.ndarray
    device: Device
    warnings: list[str] = field(default_factory=list)
    share: np.ndarray | None = None


def fuse_slices(
    network: torch.nn.Module,
    a: np.ndarray,
    b: np.ndarray,
    device: Device,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> FusedSlices:
    """Fuse each slice of ``a`` with the same slice of ``b``; the result does not depend on the batch size.

    Slices that are zero in both sources stay exactly zero and cost nothing. When memory runs out the batch is halved,
    and when a single slice is too much for an accelerator the rest runs on the CPU.

    Args:
        network: takes (B, 2, H, W) and gives (B, 1, H, W), both in [0, 1]; in evaluation mode. A second channel of
          its result is the share of A.
        a, b: (S, H, W) in [0, 1].
        batch_size: slices at a time; None chooses by the device and the size of a slice.

    Raises:
        InputError: not even one slice fits in the memory of the CPU.
        Cancelled: from ``progress``, between batches.
    """
    run = _Run(network, device, batch_size or _default_batch_size(device, a.shape[1:]))
    fused: np.ndarray | None = None
    filled = np.flatnonzero(a.any(axis=(1, 2)) | b.any(axis=(1, 2)))
    done = 0
    progress(STAGE, 0, len(filled))
    while done < len(filled):
        batch = filled[done : done + run.batch_size]
        result = run.fuse(a[batch], b[batch])
        if result is None:
            continue
        fused = _all_empty(a.shape, result.shape[1]) if fused is None else fused
        fused[:, batch] = result.swapaxes(0, 1)
        done += len(batch)
        progress(STAGE, done, len(filled))
    slices, *share = _all_empty(a.shape, 1) if fused is None else fused
    return FusedSlices(slices, run.device, run.warnings, *share)


def _all_empty(shape: tuple[int, ...], channels: int) -> np.ndarray:
    """(C, S, H, W): black slices, to which both sources contribute the same."""
    empty = np.zeros((channels, *shape), dtype=np.float32)
    empty[1:] = 0.5
    return empty


class _Run:
    """The network where it now lives, and how much it is given at a time; both shrink when memory runs out."""

    def __init__(self, network: torch.nn.Module, device: Device, batch_size: int) -> None:
        self.network = network.to(device.torch_device)
        self.device = device
        self.batch_size = batch_size
        self.warnings: list[str] = []

    def fuse(self, a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
        """The fused batch (B, C, H, W), or None when it did not fit and must be tried again, smaller or elsewhere."""
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


def _forward(network: torch.nn.Module, a: np.ndarray, b: np.ndarray, device: str) -> np.ndarray:
    import torch

    height, width = a.shape[1:]
    pair = _padded(np.stack([a, b], axis=1).astype(np.float32, copy=False))
    with torch.inference_mode():
        fused = network(torch.from_numpy(pair).to(device))
        return fused[:, :, :height, :width].clamp(0, 1).cpu().numpy()


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
