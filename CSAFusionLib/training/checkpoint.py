"""What a training writes as it goes on: one row of its log per epoch, and a checkpoint.

From a checkpoint a training goes on as if it had never stopped. The log goes to TensorBoard too, where installed.
"""

from __future__ import annotations

import csv
import importlib.util
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Unwritable, atomic_write
from CSAFusionLib.training.training_configuration import TrainingConfiguration


class TrainingLog:
    """Appends to ``log.csv`` in the run's folder, and to a TensorBoard log there if TensorBoard is installed.

    A context manager: TensorBoard's writer keeps a thread and a file open until it is closed.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.csv"
        self._board = None
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder))

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._board is not None:
            self._board.close()

    def write(self, epoch: int, values: dict[str, float]) -> None:
        """Add the ``values`` of an epoch; every epoch has the same names."""
        new = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["epoch", *values])
            writer.writerow([epoch, *(f"{value:.6g}" for value in values.values())])
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, epoch)
            self._board.flush()


_KEYS = {"fingerprint", "network", "averaged", "optimiser", "scheduler", "epoch", "best"}


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values) to ``path``; a reader never sees half a file.

    Raises InputError when the disk refuses it.
    """

    def write(file: Path) -> None:
        torch.save(state, file)
        with zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                raise Unwritable("the disk does not keep it whole")

    atomic_write({path: write})


def load_checkpoint(path: Path, configuration: TrainingConfiguration) -> dict[str, Any]:
    """Read a checkpoint of a training with the same settings.

    Raises:
        InputError: there is none, it is damaged, or it comes from other settings.
    """
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path} to resume from; start the training without --resume.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"The checkpoint {path} is damaged; start the training without --resume.") from error
    if not isinstance(state, dict) or not state.keys() >= _KEYS:
        raise InputError(f"{path} is not the checkpoint of a training; start the training without --resume.")
    if state["fingerprint"] != configuration.fingerprint():
        raise InputError(f"The checkpoint {path} comes from other settings; resume with the same ones.")
    return state
