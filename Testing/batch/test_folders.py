"""Pairs of two folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from CSAFusionLib.batch.case import Defaults
from CSAFusionLib.batch.case_lists import cases_of_folders
from CSAFusionLib.cli.main import app
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings

DEFAULTS = Defaults(FusionSettings())


def folders(tmp_path: Path, fixed: str, moving: str) -> tuple[Path, Path]:
    both = tmp_path / "fixed", tmp_path / "moving"
    for folder, names in zip(both, (fixed, moving), strict=True):
        folder.mkdir()
        for name in names.split():
            if name.endswith("/"):
                (folder / name).mkdir()
            else:
                (folder / name).touch()
    return both


def test_volumes_of_one_name_are_pairs_whatever_their_format(tmp_path: Path) -> None:
    both = folders(tmp_path, "b.nii.gz a.nrrd notes.txt c.nii .hidden.nii", "a.nii b/ d.mha")
    matched = cases_of_folders(*both, DEFAULTS)
    assert [(case.name, case.fixed.name, case.moving.name) for case in matched.cases] == [
        ("a", "a.nrrd", "a.nii"),
        ("b", "b.nii.gz", "b"),
    ]
    assert [path.name for path in matched.without] == ["c.nii", "d.mha"]
    assert "c.nii" in matched.notes()[0]


def test_folders_that_share_no_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name each pair alike"):
        cases_of_folders(*folders(tmp_path, "a.nii", "b.nii"), DEFAULTS)


def test_two_volumes_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="have one name"):
        cases_of_folders(*folders(tmp_path, "a.nii a.nrrd", "a.nii"), DEFAULTS)


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    fixed, moving = folders(tmp_path, "a.nii", "a.nii")
    with pytest.raises(InputError, match="is a file; give two folders"):
        cases_of_folders(fixed, moving / "a.nii", DEFAULTS)


@pytest.mark.parametrize(
    ("out", "reason"), [("series", "is in the input"), ("series/out", "is in the input"), (".", "has the name of the")]
)
def test_results_go_into_no_input_and_replace_no_table(tmp_path: Path, out: str, reason: str) -> None:
    (tmp_path / "series").mkdir()
    table = tmp_path / "summary.tsv"
    table.write_text("fixed\tmoving\nseries\tb.nii\n")
    result = CliRunner().invoke(app, ["batch", str(table), "-o", str(tmp_path / out)])
    assert result.exit_code == 2
    assert reason in result.output
    assert table.read_text().startswith("fixed")
    assert not any((tmp_path / "series").iterdir())
