from __future__ import annotations

import io
from dataclasses import replace

import pandas as pd
import pytest

from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.evaluation.report import files as module
from CSAFusionLib.evaluation.report.files import report_files


@pytest.fixture(autouse=True)
def quick_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "to_html", lambda comparison, tables, about: about[0])


def test_there_is_a_file_for_all_that_was_measured_and_for_readers(comparison: Comparison) -> None:
    files = report_files(comparison, ["7 pairs."])
    assert list(files) == [
        "pairs.csv", "summary.csv", "statistics.csv", "lesions.csv", "flicker.csv", "colour.csv", "limits.csv",
        "summary.md", "report.html",
    ]  # fmt: skip
    assert files["summary.md"].startswith("7 pairs.\n\n## Means\n")
    assert files["report.html"] == "7 pairs."


def test_the_csv_files_hold_the_values(comparison: Comparison) -> None:
    read = pd.read_csv(io.StringIO(report_files(comparison, ["7 pairs."])["pairs.csv"]), dtype={"pair": str})
    assert list(read["pair"]) == list(comparison.results["pair"])
    assert (read["VIF"] - comparison.results["VIF"].to_numpy()).abs().max() < 1e-5


def test_what_was_not_tested_has_no_file(comparison: Comparison) -> None:
    files = report_files(replace(comparison, lesions=None, flicker=None, limits=None), ["7 pairs."])
    assert not {"lesions.csv", "flicker.csv", "limits.csv"} & set(files)
