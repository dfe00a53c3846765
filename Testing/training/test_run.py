from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.training.dataset import read_dataset
from CSAFusionLib.training.pairs import PairKind
from CSAFusionLib.training.training_configuration import TrainingConfiguration
from CSAFusionLib.training.trainings import train_in_folder
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
