"""A training from start to end, data in and a folder with the weights out, and trainings that differ in one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.pairs import read_pairs
from CSAFusionLib.training.trainer import Trainer, join_processes
from CSAFusionLib.training.training_configuration import TrainingConfiguration

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


Variants = dict[str, TrainingConfiguration]


def network_variants(reference: TrainingConfiguration) -> Variants:
    """Return the reference with each part of its network taken away: the article's Table 2, its output layer, and ours.

    Also the one without attention in the decoder; of a pointwise network the one that is not, of one with a reach the
    one without, and of one with large tokens those with smaller ones.
    """
    own = reference.network
    networks = {
        "full": replace(own, dual_fusion=True, attention=True, adaptive=True, gains=True),
        "no-dual-fusion": replace(own, dual_fusion=False),
        "no-attention": replace(own, attention=False),
        "no-adaptive": replace(own, adaptive=False),
        "direct-output": replace(own, gains=False, pointwise=False, reach=0),
        "no-pointwise": replace(own, pointwise=False, reach=0),
        "any-reach": replace(own, reach=0),
        "every-pixel-a-token": replace(own, token=1),
        "tokens-of-2": replace(own, token=min(own.token, 2)),
        "no-swin": replace(own, token=0),
    }
    return {name: replace(reference, network=network) for name, network in networks.items() if network != own}


def loss_variants(reference: TrainingConfiguration, factors: Sequence[float]) -> Variants:
    """Return the reference with one term of the loss after the other times each factor: the article's Figure 12.

    A term's weights for A and B are changed together; terms the reference does not use are left out.
    """
    weights = reference.loss_weights.to_dict()
    terms = dict.fromkeys(name.removesuffix("_a").removesuffix("_b") for name, weight in weights.items() if weight)
    variants: Variants = {}
    for term, factor in product(terms, factors):
        changed = {
            name: weight * factor for name, weight in weights.items() if name in (term, f"{term}_a", f"{term}_b")
        }
        name = f"{factor:g}x-{term}"
        variants[name] = replace(reference, loss_weights=replace(reference.loss_weights, **changed))
    return variants


def train_variants(
    variants: Variants,
    dataset: DataSet,
    folder: Path,
    *,
    registered: Path,
    device: str = "cpu",
    progress: Progress = silent,
) -> dict[str, Path]:
    """Train each variant in a folder of its own and return their weights; what is already trained is not trained again.

    Args and errors are those of :func:`CSAFusionLib.training.trainings.train_in_folder`.
    """
    return {
        name: train_in_folder(
            configuration,
            dataset,
            folder / name,
            registered=registered,
            device=device,
            resume=(folder / name / "checkpoint.pt").exists(),
            progress=lambda stage, done, total, name=name: progress(f"{name}: {stage}", done, total),
        )
        for name, configuration in variants.items()
    }
