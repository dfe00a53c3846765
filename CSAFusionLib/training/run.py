"""A training from start to end: data in, a folder with the weights out."""

from __future__ import annotations

from pathlib import Path

import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.configuration import TrainingConfiguration
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.distributed import join_processes
from CSAFusionLib.training.pairs import read_pairs
from CSAFusionLib.training.trainer import Trainer

CONFIGURATION_FILE = "configuration.json"
"""What a training's folder keeps its settings in."""


def train_in_folder(
    configuration: TrainingConfiguration,
    dataset: DataSet,
    folder: Path,
    *,
    registered: Path,
    device: str = "cpu",
    start_from: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> Path:
    """Train and return the path of the weights with the lowest validation loss.

    Args:
        configuration: all settings of the training.
        dataset: what to train and to validate on.
        folder: what the training writes to; made if missing.
        registered: a folder that keeps the registered T1-T2 volumes for the next training.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; under ``torchrun`` each process takes its own GPU.
        start_from: a weights file to take the first weights from.
        resume: go on from the folder's checkpoint.
        progress: told of every step in the first process.

    Raises:
        InputError: data is missing, or ``folder`` holds a training that this one would overwrite or cannot go on with.
    """
    if not resume and (folder / "checkpoint.pt").exists():
        raise InputError(f"{folder} already holds a training; add --resume to go on with it or choose another folder.")
    with join_processes(torch.device(device)) as processes:
        report = progress if processes.is_first else silent
        train, validation = (
            read_pairs(dataset, configuration.kinds, split, registered=registered, progress=report)
            for split in ("train", "val")
        )
        folder.mkdir(parents=True, exist_ok=True)
        if processes.is_first:
            configuration.write(folder / CONFIGURATION_FILE)
        trainer = Trainer(configuration, train, validation, folder, processes)
        if resume:
            trainer.resume()
        elif start_from is not None:
            trainer.start_from(start_from)
        trainer.run(report)
    return folder / "best.safetensors"
