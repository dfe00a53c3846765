"""Commands that make and measure weights, and the demonstration, from start to end."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from CSAFusionLib.cli.development import demo
from CSAFusionLib.cli.development import evaluate as module
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.volumes.pictures import write_picture
from CSAFusionLib.weights.weights_file import read_weights

pytestmark = pytest.mark.slow

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
    folders = (run, output / "no-attention")
    settings, others = (json.loads((one / "configuration.json").read_text(encoding="utf-8")) for one in folders)
    assert others.pop("network") == {**settings.pop("network"), "attention": False}
    assert others == settings
    table = (output / "networks.md").read_text(encoding="utf-8")
    assert "| **reference** |" in table
    assert "| no-attention |" in table


def test_a_loss_weight_is_varied_and_drawn(csafusion: Callable, data: Path, tmp_path: Path) -> None:
    run, output = tmp_path / "run", tmp_path / "ablation"
    assert csafusion("train", data, "-o", run, *SMALL, "--epochs", 1, "--device", "cpu").exit_code == 0
    words = ("--what", "losses", "--factors", "0,2", "--only", "0x-rmi,2x-rmi", "--device", "cpu")
    result = csafusion("ablate", run, data, "-o", output, *words)
    assert result.exit_code == 0, result.stderr
    weights = json.loads((output / "2x-rmi" / "configuration.json").read_text(encoding="utf-8"))["loss_weights"]
    assert (weights["ssim_a"], weights["rmi_a"], weights["rmi_b"]) == (1, 2, 5)
    assert "Lesion retention" in (output / "losses.md").read_text(encoding="utf-8")
    assert "times its weight" in (output / "losses-CT-MRI.svg").read_text(encoding="utf-8")


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


def test_it_writes_weights_that_load(csafusion: Callable, weights_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "averaged.safetensors"
    result = csafusion("average", weights_file, weights_file, "-o", output, "--share", 0.3)
    assert result.exit_code == 0, result.stderr
    assert read_weights(output)[1] == read_weights(weights_file)[1]


def test_a_name_that_is_no_weights_file_is_refused(csafusion: Callable, weights_file: Path, tmp_path: Path) -> None:
    result = csafusion("average", weights_file, weights_file, "-o", tmp_path / "averaged.pt")
    assert result.exit_code == 2
    assert "must end in .safetensors" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture
def a_coarse_t1(monkeypatch: pytest.MonkeyPatch, weights_file: Path) -> sitk.Image:
    coarse = sitk.Shrink(demo.read_t1(), [2, 2, 2])
    monkeypatch.setattr("CSAFusionLib.cli.development.demo.read_t1", lambda: coarse)
    monkeypatch.setattr("CSAFusionLib.fusion.weight_maps.choose_weights", lambda a, b: str(weights_file))
    return coarse


def test_the_demo_finds_the_known_movement_and_fuses_in_colour(
    csafusion: Callable, a_coarse_t1: sitk.Image, tmp_path: Path
) -> None:
    result = csafusion("demo", "-o", tmp_path / "demo")
    assert result.exit_code == 0, result.stderr
    names = ["fused.nii.gz", "fused.png", "pet_simulated.nii.gz", "provenance.json", "t1.nii.gz", "transform.tfm"]
    assert sorted(file.name for file in (tmp_path / "demo").iterdir()) == names
    fused = sitk.ReadImage(str(tmp_path / "demo" / "fused.nii.gz"))
    assert same_grid(fused, a_coarse_t1)
    assert fused.GetPixelID() == sitk.sitkVectorUInt8
    assert "REAL: the MNI152 T1 template" in result.stdout
    assert "SIMULATED: the PET." in result.stdout
    found = re.search(r"error over the brain: mean (\S+) mm, largest (\S+) mm", result.stdout)
    assert found is not None
    assert float(found[1]) < 1
    assert float(found[2]) < 2


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(csafusion: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = csafusion("demo", "-o", tmp_path / "file")
    assert refused.exit_code == 2
    assert "is not a folder" in refused.stderr
    missing = csafusion("demo", "-o", tmp_path / "no" / "demo")
    assert missing.exit_code == 2
    assert "does not exist" in missing.stderr


FILES = [f"330{number:02d}" for number in range(5, 10)]


@pytest.fixture
def image_data(tmp_path: Path) -> Path:
    """Five CT-MRI slices of one patient."""
    slices = tmp_path / "data" / "slices"
    head = np.hypot(*(np.indices((64, 64)) - 32)) < 28
    for index, name in enumerate(FILES):
        random = np.random.default_rng(index)
        for modality in ("CT", "MRI"):
            (slices / "CT-MRI" / modality).mkdir(parents=True, exist_ok=True)
            picture = (head * random.integers(60, 200, (64, 64))).astype(np.uint8)
            write_picture(picture, slices / "CT-MRI" / modality / f"{name}.png")
    (slices / "split.json").write_text(json.dumps({"CT-MRI": {"train": FILES[:1], "val": FILES}}))
    return tmp_path / "data"


@pytest.fixture
def evaluated(csafusion: Callable, image_data: Path, weights_file: Path) -> Callable:
    """Evaluate CT-MRI pairs with a network of random weights and two baselines."""

    def run(*words: object) -> object:
        common = ("--kinds", "CT-MRI", "--methods", "average,maximum", "--no-clinical", "--device", "cpu")
        return csafusion("evaluate", image_data, *common, "--weights", f"mine={weights_file}", *words)

    return run


def test_tables_are_printed(evaluated: Callable) -> None:
    result = evaluated("--pairs", 3)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "Pairs of images, patients of val: 3 of CT-MRI."
    assert lines[2].startswith("mine: weights random.safetensors, SHA-256 ")
    means = lines.index("## Means")
    assert [line.split(" | ")[1] for line in lines[means + 5 : means + 8]] == ["average", "maximum", "**mine**"]


def test_a_network_takes_part_with_a_balance_too(evaluated: Callable, weights_file: Path) -> None:
    result = evaluated("--pairs", 1, "--weights", f"{weights_file}@-1")
    assert result.exit_code == 0, result.stderr
    assert "| CT-MRI | random -1 |" in result.stdout


def test_the_report_is_written_into_a_new_folder(evaluated: Callable, tmp_path: Path) -> None:
    result = evaluated("-o", tmp_path / "report", "--pairs", 3)
    assert result.exit_code == 0, result.stderr
    names = ["pairs.csv", "report.html", "statistics.csv", "summary.csv", "summary.md"]
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == names
    pairs = pd.read_csv(tmp_path / "report" / "pairs.csv", dtype=str)
    assert list(pairs["pair"].unique()) == ["33005", "33007", "33009"]
    assert result.stdout.startswith((tmp_path / "report" / "summary.md").read_text(encoding="utf-8"))


def test_saved_results_stand_beside_the_methods(evaluated: Callable, image_data: Path) -> None:
    result = evaluated("--results", f"theirs={image_data / 'slices' / 'CT-MRI' / 'MRI'}", "--pairs", 1)
    assert result.exit_code == 0, result.stderr
    rows = [line for line in result.stdout.splitlines() if line.startswith("| CT-MRI | theirs |")]
    assert rows[0].split(" | ")[5] == "**1.000**"  # SSIM(B) of a copy of the MRI


def test_an_observer_without_room_for_lesions_says_so(evaluated: Callable) -> None:
    result = evaluated("--pairs", 1, "--observer", "--bound")
    assert result.exit_code == 0, result.stderr
    assert "The model observer finds too few places with room for a lesion in CT-MRI" in result.stdout
    assert "## Model observer" not in result.stdout


def test_the_other_part_of_the_data_can_be_asked_for(evaluated: Callable) -> None:
    assert "patients of train: 1 of CT-MRI" in evaluated("--split", "train").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--split", "test"), "must be 'train' or 'val'"),
        (("--kinds", "CT"), "no kind of pair named 'CT'"),
        (("--methods", "median"), "no baseline named 'median'"),
        (("--weights", "mine=no.safetensors"), "no.safetensors' does not exist"),
        (("--weights", "no-such"), "no weights named no-such"),
        (("--weights", "ct-mr@2"), "'ct-mr@2' has no balance of -1 (A alone) to 1 (B alone)"),
        (("--weights", "average=ct-mr"), "Two methods are named 'average'"),
        (("--results", "folder"), "'folder' is no folder of results"),
        (("--results", "theirs=missing"), "33005.png' does not exist"),
        (("-o", "missing/report"), "does not exist"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence_and_nothing_is_written(
    evaluated: Callable, tmp_path: Path, words: tuple[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = evaluated(*words)
    sentence = result.stderr.rpartition("\r")[2].strip()
    assert result.exit_code == 2, result.stderr
    assert said in sentence
    assert sentence.count("\n") == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_package_is_named_with_what_to_install(evaluated: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name in ("pywt", "jinja2") else object())
    result = evaluated()
    assert result.exit_code == 2
    assert result.stderr == "The evaluation needs jinja2, pywt; install with pip install 'csafusion[evaluate]'.\n"


def test_clinical_tests_and_limits_join_the_report(
    evaluated: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from CSAFusionLib.evaluation import comparison

    about = {"kind": "CT-MRI", "volume": "v", "flicker": 0.7, "flicker for detail": 1.0, "inconsistency": 5.0}
    about |= {"drift": 2.0, "turn to A": 0.2, "turn to B": 0.3}
    flicker = pd.DataFrame([about | {"method": method} for method in ("average", "mine")])
    monkeypatch.setattr(comparison, "flicker_table", lambda *_, **__: flicker)
    monkeypatch.setattr(comparison, "attainable", lambda a, b, objective: (a + b) / 2)
    result = evaluated("--clinical", "--limit", "--pairs", 1, "-o", tmp_path / "report")
    assert result.exit_code == 0, result.stderr
    for title in ("Lesion retention", "Flicker", "Share of the attainable limit"):
        assert f"## {title}\n" in result.stdout
    limits = pd.read_csv(io.StringIO((tmp_path / "report" / "limits.csv").read_text(encoding="utf-8")))
    assert len(limits) == 4
