"""``csafusion train`` and ``csafusion ablate`` on a small data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.volumes.pictures import write_picture

NAMES = [f"330{number:02d}" for number in range(3)]
SMALL = ("--kinds", "CT-MRI", "--channels", 8, "--patch-size", 48, "--samples-per-epoch", 2, "--batch-size", 2)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three CT-MRI slices of one patient."""
    slices = tmp_path / "data" / "slices"
    head = np.hypot(*(np.indices((64, 64)) - 32)) < 28
    random = np.random.default_rng(0)
    for modality in ("CT", "MRI"):
        (slices / "CT-MRI" / modality).mkdir(parents=True)
        for name in NAMES:
            picture = (head * random.integers(60, 200, (64, 64))).astype(np.uint8)
            write_picture(picture, slices / "CT-MRI" / modality / f"{name}.png")
    (slices / "split.json").write_text(json.dumps({"CT-MRI": {"train": NAMES[:1], "val": NAMES[1:]}}))
    return tmp_path / "data"


def test_a_variant_is_trained_as_the_reference_was_and_compared_with_it(
    csafusion: Callable, data: Path, tmp_path: Path
) -> None:
    run, output = tmp_path / "run", tmp_path / "ablation"
    trained = csafusion("train", data, "-o", run, *SMALL, "--epochs", 1, "--device", "cpu")
    assert trained.exit_code == 0, trained.stderr
    result = csafusion("ablate", run, data, "-o", output, "--only", "no-attention", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    settings, others = (
        json.loads((folder / "configuration.json").read_text()) for folder in (run, output / "no-attention")
    )
    assert others.pop("network") == {**settings.pop("network"), "attention": False}
    assert others == settings
    table = (output / "networks.md").read_text()
    assert "| **reference** |" in table
    assert "| no-attention |" in table


def test_a_loss_weight_is_varied_and_drawn(csafusion: Callable, data: Path, tmp_path: Path) -> None:
    run, output = tmp_path / "run", tmp_path / "ablation"
    assert csafusion("train", data, "-o", run, *SMALL, "--epochs", 1, "--device", "cpu").exit_code == 0
    words = ("--what", "losses", "--factors", "0,2", "--only", "0x-rmi,2x-rmi", "--device", "cpu")
    result = csafusion("ablate", run, data, "-o", output, *words)
    assert result.exit_code == 0, result.stderr
    weights = json.loads((output / "2x-rmi" / "configuration.json").read_text())["loss_weights"]
    assert (weights["ssim_a"], weights["rmi_a"], weights["rmi_b"]) == (1, 2, 5)
    assert "Lesion retention" in (output / "losses.md").read_text()
    assert "times its weight" in (output / "losses-CT-MRI.svg").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--what", "hats"), "not 'hats'"),
        (("--only", "no-hats"), "no variant named 'no-hats'"),
        (("--what", "losses", "--factors", "1,two"), "not '1,two'"),
        (("--what", "losses", "--factors", "-1"), "not '-1'"),
        (("--what", "losses", "--factors", "0,nan"), "not '0,nan'"),
    ],
)
def test_what_cannot_be_ablated_is_refused(
    csafusion: Callable, data: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    run = tmp_path / "run"
    assert csafusion("train", data, "-o", run, *SMALL, "--epochs", 1, "--device", "cpu").exit_code == 0
    result = csafusion("ablate", run, data, "-o", tmp_path / "ablation", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "ablation").exists()


def test_a_folder_without_a_training_is_refused(csafusion: Callable, data: Path, tmp_path: Path) -> None:
    result = csafusion("ablate", tmp_path, data, "-o", tmp_path / "ablation")
    assert result.exit_code == 2
    assert "configuration.json" in result.stderr
