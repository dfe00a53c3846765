"""The processes of one training: a single one, or several under ``torchrun``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Processes:
    """This process among all that train together, and its device."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """True in the one process that validates, logs and writes files."""
        return self.rank == 0


@contextmanager
def join_processes(device: torch.device) -> Iterator[Processes]:
    """Join the group that ``torchrun`` started, if it did, and leave it at the end; each process gets its own GPU."""
    if "RANK" not in os.environ:
        yield Processes(rank=0, count=1, device=device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(rank=distributed.get_rank(), count=distributed.get_world_size(), device=device)
    finally:
        distributed.destroy_process_group()
