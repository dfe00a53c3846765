"""Trainings from start to end, their configuration, and the start of the pointwise part."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.losses.fusion_loss import LossWeights
from CSAFusionLib.network.configuration import CONFIGURATIONS, NetworkConfiguration
from CSAFusionLib.network.csafusion import CSAFusion, PointwiseGains
from CSAFusionLib.training import trainings
from CSAFusionLib.training.dataset import DataSet, read_dataset
from CSAFusionLib.training.pairs import PairKind
from CSAFusionLib.training.pointwise_start import STARTS, PointwiseOnly, fit_start, start_named, train_pointwise
from CSAFusionLib.training.training_configuration import TrainingConfiguration
from CSAFusionLib.training.trainings import loss_variants, network_variants, train_in_folder, train_variants
from CSAFusionLib.weights.weights_file import read_weights

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of five pairs of small pictures."""
    random = np.random.default_rng(0)
    slices = tmp_path / "data" / "slices"
    for folder in ("CT", "MRI"):
        (slices / "CT-MRI" / folder).mkdir(parents=True)
        for name in range(5):
            image = sitk.GetImageFromArray(random.integers(0, 256, (48, 48), dtype=np.uint8))
            sitk.WriteImage(image, str(slices / "CT-MRI" / folder / f"{name}.png"))
    split = {"CT-MRI": {"train": ["0", "1", "2"], "val": ["3", "4"]}}
    (slices / "split.json").write_text(json.dumps(split))
    return tmp_path / "data"


def small(**changes: object) -> TrainingConfiguration:
    settings = {"kinds": (PairKind.CT_MRI,), "epochs": 1, "samples_per_epoch": 4, "batch_size": 2, "patch_size": 48}
    return TrainingConfiguration(**{**settings, **changes})


def test_it_trains_from_a_folder_and_goes_on_when_asked(data: Path, tmp_path: Path) -> None:
    best = train_in_folder(small(), read_dataset(data), tmp_path / "run", registered=tmp_path)
    assert read_weights(best)
    with pytest.raises(InputError, match="already holds a training"):
        train_in_folder(small(epochs=2), read_dataset(data), tmp_path / "run", registered=tmp_path)
    train_in_folder(small(epochs=2), read_dataset(data), tmp_path / "run", registered=tmp_path, resume=True)
    with (tmp_path / "run" / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split\.json"):
        train_in_folder(small(), read_dataset(tmp_path), tmp_path / "run", registered=tmp_path)
    assert not (tmp_path / "run").exists()


def test_two_processes_under_torchrun_train_one_network(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += ["-m", "CSAFusionLib.cli", "train", str(data), "-o", str(tmp_path / "run"), "--kinds", "CT-MRI"]
    command += ["--channels", "8", "--epochs", "1", "--samples-per-epoch", "4", "--batch-size", "1"]
    command += ["--patch-size", "48", "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with (tmp_path / "run" / "log.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 1
    assert read_weights(tmp_path / "run" / "best.safetensors")


REFERENCE = TrainingConfiguration(
    network=NetworkConfiguration(channels=8, window=4),
    loss_weights=LossWeights(1, 1, 2, 3, 0, 0, ssim_parity=4),
    epochs=3,
)


def test_each_network_variant_differs_from_the_reference_in_its_network_alone() -> None:
    variants = network_variants(REFERENCE)
    assert set(variants) == {"no-dual-fusion", "no-attention", "no-adaptive", "direct-output", "no-swin"}
    for variant in variants.values():
        assert replace(variant, network=REFERENCE.network) == REFERENCE
        assert (variant.network.channels, variant.network.window) == (8, 4)
    assert not variants["no-attention"].network.attention
    bounded = network_variants(
        replace(REFERENCE, network=replace(REFERENCE.network, pointwise=True, token=4, reach=0.5))
    )
    assert set(bounded) == {*variants, "no-pointwise", "any-reach", "every-pixel-a-token", "tokens-of-2"}
    assert [bounded[name].network.token for name in ("every-pixel-a-token", "tokens-of-2", "no-swin")] == [1, 2, 0]


def test_each_loss_variant_changes_one_term_that_the_reference_has() -> None:
    variants = loss_variants(REFERENCE, [2])
    assert {name: variant.loss_weights for name, variant in variants.items()} == {
        "2x-ssim": LossWeights(2, 2, 2, 3, 0, 0, ssim_parity=4),
        "2x-rmi": LossWeights(1, 1, 4, 6, 0, 0, ssim_parity=4),
        "2x-ssim_parity": LossWeights(1, 1, 2, 3, 0, 0, ssim_parity=8),
    }
    several = loss_variants(REFERENCE, [0, 0.5])
    assert list(several) == [f"{factor}x-{term}" for term in ("ssim", "rmi", "ssim_parity") for factor in ("0", "0.5")]
    assert several["0x-rmi"].loss_weights == LossWeights(1, 1, 0, 0, 0, 0, ssim_parity=4)


def test_variants_are_trained_apart_and_begun_ones_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def train(configuration: TrainingConfiguration, data: Path, folder: Path, **options: object) -> Path:
        calls.append((folder.name, configuration.network, options["resume"]))
        return folder / "best.safetensors"

    monkeypatch.setattr(trainings, "train_in_folder", train)
    (tmp_path / "no-attention").mkdir()
    (tmp_path / "no-attention" / "checkpoint.pt").touch()
    variants = {name: network_variants(REFERENCE)[name] for name in ("no-attention", "no-adaptive")}
    weights = train_variants(variants, DataSet(), tmp_path, registered=tmp_path)
    assert weights == {name: tmp_path / name / "best.safetensors" for name in variants}
    assert calls == [(name, variants[name].network, name == "no-attention") for name in variants]


def test_settings_come_back_from_their_file(tmp_path: Path) -> None:
    configuration = TrainingConfiguration(
        kinds=(PairKind.T1_T2, PairKind.CT_MRI),
        network=CONFIGURATIONS["no-attention"],
        loss_weights=LossWeights(2, 3, ssim_parity=1),
        learning_rate=3e-4,
    )
    configuration.write(tmp_path / "settings.json")
    assert TrainingConfiguration.read(tmp_path / "settings.json") == configuration


def test_settings_with_the_former_names_of_loss_terms_still_load(tmp_path: Path) -> None:
    configuration = TrainingConfiguration(loss_weights=LossWeights(ssim_parity=0.3, artefacts=12))
    configuration.write(tmp_path / "settings.json")
    old = (tmp_path / "settings.json").read_text().replace("ssim_parity", "balance").replace("artefacts", "invention")
    (tmp_path / "settings.json").write_text(old)
    assert TrainingConfiguration.read(tmp_path / "settings.json") == configuration


@pytest.mark.parametrize("text", ["", "{}", '{"kinds": ["X-ray"]}', "[1]"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(InputError, match=r"settings\.json"):
        TrainingConfiguration.read(tmp_path / "settings.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no .*settings\.json"):
        TrainingConfiguration.read(tmp_path / "settings.json")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("kinds", ()),
        ("epochs", 0),
        ("patch_size", 40),
        ("learning_rate", 0.0),
        ("averaging", 1.0),
        ("averaging", -0.1),
        ("retention_target", 0),
        ("retention_target", 1.1),
        ("brightest", 0.9),
        ("brightest", 4.1),
    ],
)
def test_a_setting_out_of_range_is_refused(setting: str, value: object) -> None:
    with pytest.raises(InputError):
        TrainingConfiguration(**{setting: value})


@pytest.mark.parametrize("name", [*STARTS, "power-sum=0.8:0.7:1.5"])
def test_a_start_is_fitted_closely(name: str) -> None:
    torch.manual_seed(0)
    pointwise = PointwiseGains()
    fit_start(pointwise, name)
    pairs = torch.rand(1, 2, 64, 64)
    with torch.no_grad():
        error = PointwiseOnly(pointwise)(pairs) - start_named(name)(*pairs.split(1, dim=1)).clamp(0, 1)
    assert float(error.square().mean().sqrt()) < 0.03


def test_a_start_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="'maximum'.*average, b-less-a"):
        start_named("maximum")


def test_a_power_sum_dims_either_source_alone_and_adds_less_the_more_both_are_bright() -> None:
    a, b = torch.tensor([0.5, 0.0, 0.5, 0.5]), torch.tensor([0.0, 0.5, 0.25, 0.5])
    fused = start_named("power-sum=0.8:0.6:2")(a, b)
    torch.testing.assert_close(fused, torch.tensor([0.4, 0.3, 0.4272, 0.5]), atol=1e-4, rtol=0)
    torch.testing.assert_close(start_named("power-sum=1:0.5:1")(a, b), a + b / 2)


@pytest.mark.parametrize("numbers", ["", "0.8:0.7", "0.8:0.7:1.5:1", "0.8:x:1.5", "3:0.7:1", "1:-1:1", "1:1:0.5"])
def test_a_power_sum_with_other_numbers_is_refused(numbers: str) -> None:
    with pytest.raises(InputError, match="power-sum"):
        start_named(f"power-sum={numbers}")


def test_training_it_alone_changes_no_other_part() -> None:
    torch.manual_seed(0)
    network = CSAFusion(CONFIGURATIONS["consistent"])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    weights = LossWeights(1, 1, 0, 0, 0, 0)
    train_pointwise(network, torch.rand(3, 1, 2, 2, 48, 48), 3, weights, 0.7)
    changed = {
        name.split(".")[0] for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"pointwise"}
