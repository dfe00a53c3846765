"""``csafusion evaluate`` on a small data set."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from CSAFusionLib.cli import evaluate as module
from CSAFusionLib.volumes.pictures import write_picture

NAMES = [f"330{number:02d}" for number in range(5, 10)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Five CT-MRI slices of one patient."""
    slices = tmp_path / "data" / "slices"
    head = np.hypot(*(np.indices((64, 64)) - 32)) < 28
    for index, name in enumerate(NAMES):
        random = np.random.default_rng(index)
        for modality in ("CT", "MRI"):
            (slices / "CT-MRI" / modality).mkdir(parents=True, exist_ok=True)
            picture = (head * random.integers(60, 200, (64, 64))).astype(np.uint8)
            write_picture(picture, slices / "CT-MRI" / modality / f"{name}.png")
    (slices / "split.json").write_text(json.dumps({"CT-MRI": {"train": NAMES[:1], "val": NAMES}}))
    return tmp_path / "data"


@pytest.fixture
def evaluated(csafusion: Callable, data: Path, weights_file: Path) -> Callable:
    """Evaluate CT-MRI pairs with a network of random weights and two baselines."""

    def run(*words: object) -> object:
        common = ("--kinds", "CT-MRI", "--methods", "average,maximum", "--no-clinical", "--device", "cpu")
        return csafusion("evaluate", data, *common, "--weights", f"mine={weights_file}", *words)

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
    assert result.stdout.startswith((tmp_path / "report" / "summary.md").read_text())


def test_saved_results_stand_beside_the_methods(evaluated: Callable, data: Path) -> None:
    result = evaluated("--results", f"theirs={data / 'slices' / 'CT-MRI' / 'MRI'}", "--pairs", 1)
    assert result.exit_code == 0, result.stderr
    rows = [line for line in result.stdout.splitlines() if line.startswith("| CT-MRI | theirs |")]
    assert rows[0].split(" | ")[5] == "**1.000**"  # SSIM(B) of a copy of the MRI


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
    flicker = pd.DataFrame([about | {"method": method} for method in ("average", "mine")])
    monkeypatch.setattr(comparison, "flicker_table", lambda *_, **__: flicker)
    monkeypatch.setattr(comparison, "attainable", lambda a, b, objective: (a + b) / 2)
    result = evaluated("--clinical", "--limit", "--pairs", 1, "-o", tmp_path / "report")
    assert result.exit_code == 0, result.stderr
    for title in ("Lesion retention", "Flicker", "Share of the attainable limit"):
        assert f"## {title}\n" in result.stdout
    limits = pd.read_csv(io.StringIO((tmp_path / "report" / "limits.csv").read_text()))
    assert len(limits) == 4
