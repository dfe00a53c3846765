from __future__ import annotations

import csv
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from CSAFusionLib.errors import Cancelled, InputError
from CSAFusionLib.losses.fusion_loss import LossWeights
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.training.trainer import EverySampleOnce, Processes, Trainer, spread_from_first_to_last
from CSAFusionLib.training.training_configuration import TrainingConfiguration
from CSAFusionLib.weights.weights_file import read_weights

ALONE = Processes(rank=0, count=1, device=torch.device("cpu"))

SMALL = TrainingConfiguration(
    kinds=(PairKind.CT_MRI,),
    network=NetworkConfiguration(channels=8),
    loss_weights=LossWeights(10, 10, 1, 1, 5, 5),
    epochs=2,
    samples_per_epoch=4,
    batch_size=2,
    patch_size=48,
    validation_slices=1,
    learning_rate=5e-3,
)


def pairs(count: int) -> list[ImagePair]:
    random = np.random.default_rng(0)
    images = ndimage.gaussian_filter(random.random((count, 2, 56, 56)), (0, 0, 2, 2)).astype(np.float32)
    images = (images - images.min()) / np.ptp(images)
    return [ImagePair(a=a, b=b, kind=PairKind.CT_MRI, name=str(i)) for i, (a, b) in enumerate(images)]


def trainer(folder: Path, configuration: TrainingConfiguration = SMALL) -> Trainer:
    folder.mkdir(exist_ok=True)
    return Trainer(configuration, pairs(3), pairs(1), folder, ALONE)


def state(trainer: Trainer) -> torch.Tensor:
    return flat(trainer.network)


def flat(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in network.state_dict().values()])


def test_patches_are_drawn_as_the_configuration_says(tmp_path: Path) -> None:
    dataset = trainer(tmp_path / "run", replace(SMALL, brightest=3.0, opposite_lesions=0.7)).dataset
    assert (dataset.brightest, dataset.opposite_lesions) == (3.0, 0.7)


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole")
    whole.run()
    trainer(tmp_path / "parts", replace(SMALL, epochs=1)).run()
    resumed = trainer(tmp_path / "parts")
    resumed.resume()
    resumed.run()
    torch.testing.assert_close(state(resumed), state(whole), rtol=0, atol=1e-6)
    assert resumed.best == pytest.approx(whole.best, abs=1e-6)


def test_training_lowers_the_validation_loss_and_keeps_the_best_weights(tmp_path: Path) -> None:
    run = trainer(tmp_path / "run", replace(SMALL, epochs=3, samples_per_epoch=16))
    run.run()
    with (tmp_path / "run" / "log.csv").open() as file:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 3
    assert min(losses[1:]) < losses[0]
    assert run.best == pytest.approx(min(losses), rel=1e-4)
    assert read_weights(tmp_path / "run" / "best.safetensors")[1] == SMALL.network


def test_what_is_saved_is_the_moving_average_of_the_weights(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = trainer(folder, replace(SMALL, epochs=1))
    run.run()
    saved = flat(read_weights(folder / "best.safetensors")[0])
    torch.testing.assert_close(saved, flat(run.averaged.module))
    assert (saved - state(run)).abs().max() > 1e-3


def test_without_averaging_the_last_weights_are_saved(tmp_path: Path) -> None:
    run = trainer(tmp_path / "run", replace(SMALL, epochs=1, averaging=0))
    run.run()
    torch.testing.assert_close(flat(run.averaged.module), state(run))


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    one, other = trainer(tmp_path / "one"), trainer(tmp_path / "other", replace(SMALL, seed=1))
    assert (state(one) - state(other)).abs().max() > 1e-3


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path / "run", replace(SMALL, epochs=1)).run()
    with pytest.raises(InputError, match="other settings"):
        trainer(tmp_path / "run", replace(SMALL, patch_size=50)).resume()


def test_there_must_be_a_checkpoint_to_resume_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint"):
        trainer(tmp_path / "run").resume()


def test_it_starts_from_a_weights_file_of_the_same_network_only(tmp_path: Path) -> None:
    first = trainer(tmp_path / "first", replace(SMALL, epochs=1))
    first.run()
    second = trainer(tmp_path / "second", replace(SMALL, seed=5))
    second.start_from(tmp_path / "first" / "best.safetensors")
    torch.testing.assert_close(state(second), flat(first.averaged.module))
    other = trainer(tmp_path / "third", replace(SMALL, network=NetworkConfiguration(channels=16)))
    with pytest.raises(InputError, match="another network"):
        other.start_from(tmp_path / "first" / "best.safetensors")


def test_it_stops_when_the_progress_asks_it_to(tmp_path: Path) -> None:
    def cancel(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        trainer(tmp_path / "run").run(cancel)
    assert not (tmp_path / "run" / "best.safetensors").exists()


CONSISTENT = replace(
    SMALL,
    network=NetworkConfiguration(channels=8, pointwise=True, token=2),
    loss_weights=LossWeights(1, 1, 0, 0, 1, 1, retention=10, consistency=100),
    pointwise_start="root-of-squares",
    pointwise_steps=2,
    schedule="cosine",
)


def test_a_resumed_training_of_a_consistent_network_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole, cut = trainer(tmp_path / "whole", CONSISTENT), trainer(tmp_path / "parts", CONSISTENT)
    whole.run()

    def cancel(stage: str, done: int, total: int) -> None:
        if stage.startswith("Epoch 2"):
            raise Cancelled

    with pytest.raises(Cancelled):
        cut.run(cancel)
    resumed = trainer(tmp_path / "parts", CONSISTENT)
    resumed.resume()
    resumed.run()
    torch.testing.assert_close(state(resumed), state(whole), rtol=0, atol=1e-6)


def test_a_cosine_is_nothing_after_the_last_epoch_and_the_pointwise_part_has_a_rate_of_its_own(tmp_path: Path) -> None:
    run = trainer(tmp_path / "run", CONSISTENT)
    of_others, of_pointwise = (group["lr"] for group in run.optimiser.param_groups)
    assert of_pointwise == pytest.approx(0.25 * of_others)
    run.scheduler.after_step(1)
    assert run.optimiser.param_groups[0]["lr"] == pytest.approx(of_others / 2)
    run.scheduler.after_step(2)
    assert run.optimiser.param_groups[0]["lr"] == pytest.approx(0)


def test_a_cosine_falls_after_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer(tmp_path / "run", CONSISTENT)
    rates = []
    step = run.optimiser.step

    def recorded() -> None:
        rates.append(run.optimiser.param_groups[0]["lr"])
        step()

    monkeypatch.setattr(run.optimiser, "step", recorded)
    run.run()
    ahead = np.arange(len(rates)) / len(rates)
    np.testing.assert_allclose(rates, run.configuration.learning_rate * (1 + np.cos(np.pi * ahead)) / 2)
    assert run.optimiser.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def test_two_processes_share_the_samples() -> None:
    shares = [list(EverySampleOnce(7, replace(ALONE, rank=rank, count=2))) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1]) == 4
    assert set(shares[0]) | set(shares[1]) == set(range(7))


def test_validation_slices_are_evenly_spaced() -> None:
    assert [pair.name for pair in spread_from_first_to_last(pairs(9), 3)] == ["0", "4", "8"]
    assert [pair.name for pair in spread_from_first_to_last(pairs(2), 3)] == ["0", "1"]


def test_a_training_closes_its_log(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    trainer(tmp_path / "run", replace(SMALL, epochs=1)).run()
    assert (tmp_path / "run" / "log.csv").is_file()
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))
    assert set(threading.enumerate()) == before
