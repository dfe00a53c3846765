"""Which compute device a run uses, proven by a small kernel, and why."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from CSAFusionLib.errors import InputError
from CSAFusionLib.memory import check_room_for_torch

if TYPE_CHECKING:
    import torch

_AUTOLOAD = "TORCH_DEVICE_BACKEND_AUTOLOAD"


@dataclass(frozen=True)
class Device:
    """A device that ran a kernel: its name for PyTorch, and one sentence on why it was chosen."""

    torch_device: str
    reason: str


def choose_device(request: str = "auto") -> Device:
    """The device to run on: CUDA, else MPS, else CPU for ``auto``; else the one asked for, or an error.

    Args:
        request: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        InputError: the device asked for is not known or cannot run a small convolution.
        NotEnoughMemory: there is no room to load PyTorch.
    """
    load_torch()
    return _best_device() if request == "auto" else _requested_device(request)


def load_torch(*, for_good: bool = False) -> None:
    """Load PyTorch, if it is not loaded, without garbage collection, which would take a tenth of the time.

    Args:
        for_good: whether the process is ours alone, so that all it has loaded is exempted from garbage collection.

    Raises:
        NotEnoughMemory: there is no room for it.
    """
    check_room_for_torch()
    if "torch" in sys.modules or not gc.isenabled():
        return
    gc.disable()
    try:
        with _no_other_backends():
            import torch  # noqa: F401 (for its own sake)

        if for_good:
            gc.freeze()
    finally:
        gc.enable()


@contextmanager
def _no_other_backends() -> Iterator[None]:
    """Inside the block, keep PyTorch from looking for devices of other packages, which no run needs.

    It would read the metadata of every installed package, and load those that provide a device.
    """
    before = os.environ.get(_AUTOLOAD)
    os.environ[_AUTOLOAD] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_AUTOLOAD]
        else:
            os.environ[_AUTOLOAD] = before


def _requested_device(request: str) -> Device:
    problem = _problem_of(request)
    if problem:
        raise InputError(f"The device '{request}' cannot be used ({problem}); choose auto or cpu.")
    return Device(request, "asked for")


def _best_device() -> Device:
    problems = []
    for candidate in ("cuda", "mps"):
        problem = _problem_of(candidate)
        if problem is None:
            return Device(candidate, "the fastest device that passed a test")
        problems.append(f"{candidate}: {problem}")
    return Device("cpu", "no accelerator can be used ({})".format("; ".join(problems)))


def _problem_of(name: str) -> str | None:
    """Why the device cannot be used, or None when it just ran a kernel."""
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        return "no such device"
    if device.type not in ("cpu", "cuda", "mps"):
        return "only cpu, cuda and mps are known"
    if not _is_present(device):
        return "not present"
    try:
        return _kernel_problem(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # what a broken driver raises
        return str(error).strip().splitlines()[0].rstrip(".")


def _is_present(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return True


def _kernel_problem(device: torch.device) -> str | None:
    # A card too old for this build of PyTorch is "available" and fails only at its first kernel.
    import torch

    image = torch.ones(1, 1, 8, 8, device=device)
    summed = torch.nn.functional.conv2d(image, torch.ones(1, 1, 3, 3, device=device))
    return None if bool((summed.cpu() == 9).all()) else "it computed a wrong result"
