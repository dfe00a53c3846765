"""The training loop, its processes (one, or several under ``torchrun``), its log and its checkpoints.

A training continues from a checkpoint as if it had never stopped. The log has a row for each epoch and goes to
TensorBoard too, where it is installed. The validation loss is that of whole slices of patients not trained on.
"""

from __future__ import annotations

import csv
import importlib.util
import math
import os
import pickle
import random
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Sampler

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Unwritable, atomic_write
from CSAFusionLib.losses.fusion_loss import training_loss_terms, weighted_sum
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.training.patches import PatchDataset, add_lesions
from CSAFusionLib.training.pointwise_start import fit_start, train_pointwise
from CSAFusionLib.training.training_configuration import TrainingConfiguration
from CSAFusionLib.weights.weights_file import read_weights, save_weights


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


@torch.inference_mode()
def validation_loss(
    network: nn.Module, pairs: Sequence[ImagePair], configuration: TrainingConfiguration, device: torch.device
) -> dict[str, float]:
    """Return the loss and its unweighted terms; the mean of the kinds' means, so that every kind counts alike."""
    network.eval()
    weights, target = configuration.loss_weights, configuration.retention_target
    of_kind: dict[str, list[dict[str, float]]] = defaultdict(list)
    for pair in pairs:
        both = np.stack([pair.a, pair.b])
        # The same lesions every time, so that one epoch's loss can be compared with another's.
        marked = add_lesions(both, np.random.default_rng(0), configuration.opposite_lesions)
        terms = training_loss_terms(network, _as_batch(both, device), _as_batch(marked, device), weights, target)
        terms["loss"] = weighted_sum(terms, weights)
        of_kind[pair.kind.value].append({name: float(value) for name, value in terms.items()})
    return {
        name: sum(sum(t[name] for t in terms) / len(terms) for terms in of_kind.values()) / len(of_kind)
        for name in next(iter(of_kind.values()))[0]
    }


def _as_batch(sources: np.ndarray, device: torch.device) -> Tensor:
    """Return both sources (2, H, W) as a batch of one, (1, 2, H, W)."""
    return torch.from_numpy(sources)[None].to(device)


_LARGEST_GRADIENT = 1.0
"""Norm that longer gradients are cut to: one patch with a lesion that is lost must not throw the rest off."""


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
        self.validation = spread_from_first_to_last(validation, configuration.validation_slices)
        self.folder = folder
        self.processes = processes
        self.dataset = PatchDataset(
            train,
            size=configuration.patch_size,
            seed=configuration.seed,
            samples=configuration.samples_per_epoch,
            group=configuration.batch_size * processes.count,
            opposite_lesions=configuration.opposite_lesions,
            brightest=configuration.brightest,
        )
        self.network = CSAFusion(configuration.network).to(processes.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # The loss swings between the two sources from step to step; the average of the weights does not.
        self.averaged = AveragedModel(
            self.network, multi_avg_fn=get_ema_multi_avg_fn(configuration.averaging), use_buffers=True
        )
        self.optimiser = torch.optim.Adam(_groups(self.network, configuration))
        self.scheduler = _Schedule(self.optimiser, configuration)
        self.epoch = 0
        self.best = float("inf")
        self.fresh = True

    def resume(self) -> None:
        """Go on from the folder's checkpoint; raise InputError if there is none or its settings differ."""
        state = load_checkpoint(self.folder / "checkpoint.pt", self.configuration)
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.epoch, self.best = state["epoch"], state["best"]
        self.fresh = False

    def start_from(self, weights: Path) -> None:
        """Initialise the weights from a weights file; raise InputError if it does not fit."""
        network, configuration = read_weights(weights)
        if configuration != self.configuration.network:
            raise InputError(f"{weights.name} holds another network than the one to train; train the same one.")
        self.network.load_state_dict(network.state_dict())
        self.averaged.module.load_state_dict(network.state_dict())
        self.fresh = False

    def run(self, progress: Progress = silent) -> None:
        """Train until the configured number of epochs is reached."""
        with TrainingLog(self.folder) if self.processes.is_first else nullcontext() as log:
            self._run(log, progress)

    def _run(self, log: TrainingLog | None, progress: Progress) -> None:
        starts = self.fresh and self.configuration.network.pointwise
        if starts:
            self._start_pointwise(progress)
        # Gives every process the first one's weights: on a GPU the start need not come out alike to the last bit.
        model: nn.Module = DistributedDataParallel(self.network) if self.processes.count > 1 else self.network
        if starts:
            self.averaged.module.load_state_dict(self.network.state_dict())
        while self.epoch < self.configuration.epochs:
            started = time.monotonic()
            training_loss = self._train_epoch(model, progress)
            metrics = validation_loss(self.averaged.module, self.validation, self.configuration, self.processes.device)
            # Every process validates: the scheduler then takes the same decision everywhere without a message.
            self.scheduler.after_epoch(metrics["loss"])
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

    def _start_pointwise(self, progress: Progress) -> None:
        """Train the pointwise part alone, in every process on the same patches."""
        configuration, steps = self.configuration, self.configuration.pointwise_steps
        fit_start(self.network.pointwise, configuration.pointwise_start)

        def batches() -> Iterator[Tensor]:
            size = configuration.batch_size
            for step in range(steps):
                progress("Pointwise part", step, steps)
                yield torch.stack([self.dataset[step * self.dataset.group + index] for index in range(size)]).to(device)

        device = self.processes.device
        self.dataset.epoch = configuration.epochs  # patches that no epoch of the whole network sees
        train_pointwise(self.network, batches(), steps, configuration.loss_weights, configuration.retention_target)

    def _train_epoch(self, model: nn.Module, progress: Progress) -> float:
        model.train()
        self.dataset.epoch = self.epoch
        sampler = EverySampleOnce(len(self.dataset), self.processes)
        loader = DataLoader(self.dataset, batch_size=self.configuration.batch_size, sampler=sampler, drop_last=False)
        stage = f"Epoch {self.epoch + 1} of {self.configuration.epochs}"
        total, weights = 0.0, self.configuration.loss_weights
        for step, patches in enumerate(loader):
            progress(stage, step, len(loader))
            plain, marked = patches.to(self.processes.device).unbind(dim=1)
            terms = training_loss_terms(model, plain, marked, weights, self.configuration.retention_target)
            loss = weighted_sum(terms, weights)
            self.optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
            self.optimiser.step()
            self.scheduler.after_step(self.epoch + (step + 1) / len(loader))
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


class _Schedule:
    """The learning rate over a training, as its configuration says."""

    def __init__(self, optimiser: torch.optim.Optimizer, configuration: TrainingConfiguration) -> None:
        self._optimiser, self._configuration = optimiser, configuration
        self._rates = [group["lr"] for group in optimiser.param_groups]
        self._plateau = ReduceLROnPlateau(optimiser, factor=0.5, patience=configuration.patience)

    def after_step(self, epochs: float) -> None:
        """Tell it how many epochs are done, as a fraction too."""
        if self._configuration.schedule == "cosine":
            share = (1 + math.cos(math.pi * min(1, epochs / self._configuration.epochs))) / 2
            for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
                group["lr"] = rate * share

    def after_epoch(self, loss: float) -> None:
        """Tell it the validation loss."""
        if self._configuration.schedule == "plateau":
            self._plateau.step(loss)

    def state_dict(self) -> dict[str, Any]:
        """What to go on from."""
        return self._plateau.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._plateau.load_state_dict(state)


def _groups(network: CSAFusion, configuration: TrainingConfiguration) -> list[dict[str, Any]]:
    """The parameters of the network, the pointwise part's with a learning rate of their own."""
    rate = configuration.learning_rate
    if not configuration.network.pointwise:
        return [{"params": list(network.parameters()), "lr": rate}]
    pointwise = list(network.pointwise.parameters())
    others = [parameter for name, parameter in network.named_parameters() if not name.startswith("pointwise.")]
    return [{"params": others, "lr": rate}, {"params": pointwise, "lr": rate * configuration.pointwise_rate}]


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


def spread_from_first_to_last(pairs: Sequence[ImagePair], count: int) -> list[ImagePair]:
    """Return ``count`` pairs of each kind, the first and the last among them, or all of a kind that has no more."""
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
