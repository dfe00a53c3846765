"""The training loop."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Sampler

from CSAFusionLib.errors import InputError
from CSAFusionLib.losses.fusion_loss import training_loss_terms, weighted_sum
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.checkpoint import load_checkpoint, save_checkpoint
from CSAFusionLib.training.configuration import TrainingConfiguration
from CSAFusionLib.training.distributed import Processes
from CSAFusionLib.training.log import TrainingLog
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.training.patches import PatchDataset
from CSAFusionLib.training.validation import validation_loss
from CSAFusionLib.weights.weights_file import read_weights, save_weights


class Trainer:
    """One training run: a network, its optimiser, its data, and a folder that holds all it writes.

    The folder gets ``checkpoint.pt`` (after each epoch), ``best.safetensors`` (the lowest validation loss so far) and
    ``log.csv``.
    """

    def __init__(
        self,
        configuration: TrainingConfiguration,
        train: Sequence[ImagePair],
        validation: Sequence[ImagePair],
        folder: Path,
        processes: Processes,
    ) -> None:
        seed_everything(configuration.seed)
        self.configuration = configuration
        self.validation = evenly_spaced(validation, configuration.validation_slices)
        self.folder = folder
        self.processes = processes
        self.dataset = PatchDataset(
            train,
            size=configuration.patch_size,
            seed=configuration.seed,
            samples=configuration.samples_per_epoch,
        )
        self.network = CSAFusion(configuration.network).to(processes.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # The loss swings between the two sources from step to step; the average of the weights does not.
        self.averaged = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(configuration.averaging), use_buffers=True
        )
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=configuration.learning_rate)
        self.scheduler = ReduceLROnPlateau(self.optimiser, factor=0.5, patience=configuration.patience)
        self.epoch = 0
        self.best = float("inf")

    def resume(self) -> None:
        """Go on from the folder's checkpoint; raise InputError if there is none or its settings differ."""
        state = load_checkpoint(self.folder / "checkpoint.pt", self.configuration)
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.epoch, self.best = state["epoch"], state["best"]

    def start_from(self, weights: Path) -> None:
        """Take the first weights from a weights file instead of at random; raise InputError if it does not fit."""
        network, configuration = read_weights(weights)
        if configuration != self.configuration.network:
            raise InputError(f"{weights.name} holds another network than the one to train; train the same one.")
        self.network.load_state_dict(network.state_dict())
        self.averaged.module.load_state_dict(network.state_dict())

    def run(self, progress: Progress = silent) -> None:
        """Train until the configured number of epochs is reached."""
        first = self.processes.is_first
        log = TrainingLog(self.folder) if first else None
        model: nn.Module = DistributedDataParallel(self.network) if self.processes.count > 1 else self.network
        while self.epoch < self.configuration.epochs:
            started = time.monotonic()
            training_loss = self._train_epoch(model, progress)
            metrics = validation_loss(self.averaged.module, self.validation, self.configuration, self.processes.device)
            # Every process validates: the scheduler then takes the same decision everywhere without a message.
            self.scheduler.step(metrics["loss"])
            self.epoch += 1
            if log is not None:
                self._save(metrics["loss"])
                log.write(
                    self.epoch,
                    {
                        "training_loss": training_loss,
                        **{f"validation_{name}": value for name, value in metrics.items()},
                        "learning_rate": self.optimiser.param_groups[0]["lr"],
                        "seconds": time.monotonic() - started,
                    },
                )

    def _train_epoch(self, model: nn.Module, progress: Progress) -> float:
        model.train()
        self.dataset.epoch = self.epoch
        sampler = EverySampleOnce(len(self.dataset), self.processes)
        loader = DataLoader(self.dataset, batch_size=self.configuration.batch_size, sampler=sampler, drop_last=False)
        stage = f"Epoch {self.epoch + 1} of {self.configuration.epochs}"
        total = 0.0
        for step, patches in enumerate(loader):
            progress(stage, step, len(loader))
            plain, marked = patches.to(self.processes.device).unbind(dim=1)
            terms = training_loss_terms(model, plain, marked, self.configuration.retention_target)
            loss = weighted_sum(terms, self.configuration.loss_weights)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.averaged.update_parameters(self.network)
            total += loss.item()
        progress(stage, len(loader), len(loader))
        if not math.isfinite(total):
            raise InputError(f"The training diverged in epoch {self.epoch + 1}; give a lower learning rate.")
        return total / len(loader)

    def _save(self, loss: float) -> None:
        if loss < self.best:
            self.best = loss
            about = {"epoch": str(self.epoch), "training": self.configuration.fingerprint()}
            assert isinstance(self.averaged.module, CSAFusion)
            save_weights(self.averaged.module, self.folder / "best.safetensors", about=about)
        save_checkpoint(
            self.folder / "checkpoint.pt",
            {
                "fingerprint": self.configuration.fingerprint(),
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "epoch": self.epoch,
                "best": self.best,
            },
        )


class EverySampleOnce(Sampler[int]):
    """The samples of this process: every n-th, n the number of processes, wrapping so that all get as many.

    Not shuffled: a sample's content is already drawn at random from its index.
    """

    def __init__(self, samples: int, processes: Processes) -> None:
        each = -(-samples // processes.count)
        self.indices = [(processes.rank + i * processes.count) % samples for i in range(each)]

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


def evenly_spaced(pairs: Sequence[ImagePair], count: int) -> list[ImagePair]:
    """Return ``count`` pairs of each kind, evenly spaced, or all of a kind that has no more."""
    chosen: list[ImagePair] = []
    for kind in PairKind:
        of_kind = [pair for pair in pairs if pair.kind is kind]
        indices = np.unique(np.linspace(0, len(of_kind) - 1, min(count, len(of_kind))).round().astype(int))
        chosen += [of_kind[index] for index in indices]
    return chosen


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries may still use the global generator)
    torch.manual_seed(seed)
