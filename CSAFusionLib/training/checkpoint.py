"""A checkpoint after each epoch, from which a training goes on as if it had never stopped."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Unwritable, atomic_write
from CSAFusionLib.training.configuration import TrainingConfiguration

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
