"""The log of a training: one CSV row per epoch, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path


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
