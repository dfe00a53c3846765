"""The cases of a table and of two folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from CSAFusionLib.batch.case import Defaults
from CSAFusionLib.batch.case_lists import cases_of_folders, cases_of_table
from CSAFusionLib.cli.main import app
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.intensity.modality import Modality

DEFAULTS = Defaults(FusionSettings(balance=0.25))


def table(folder: Path, text: str | bytes, name: str = "pairs.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_paths_are_seen_from_the_table_and_names_come_from_the_fixed_volumes(tmp_path: Path) -> None:
    (case,) = cases_of_table(table(tmp_path, "fixed,moving\nt1/a.nii.gz,/data/b.nii\n"), DEFAULTS)
    assert (case.fixed, case.moving, case.name) == (tmp_path / "t1" / "a.nii.gz", Path("/data/b.nii"), "a")
    assert case.settings.balance == 0.25
    assert str(case.place.folder) == "a"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    (case,) = cases_of_table(table(tmp_path, "fixed,moving,region\n~/a.nii,b~1.nii,~/mask.nii\n"), DEFAULTS)
    assert (case.fixed, case.moving) == (tmp_path / "home" / "a.nii", tmp_path / "b~1.nii")
    assert case.region == tmp_path / "home" / "mask.nii"


def test_a_row_says_any_setting_and_an_empty_cell_nothing(tmp_path: Path) -> None:
    text = "name\tfixed\tmoving\tmodality\twindow\tbalance\tplane\tdeterministic\tbatch_size\tregion\tvolume\n"
    text += "one\ta\tb\tCT/MR\tbrain/\t-0.5\tcoronal\tfalse\t4\tmask.nii\t2,1\ntwo\ta\tc\tpet\tn/a\t\t\t\t\t\t\n"
    one, two = cases_of_table(table(tmp_path, text), DEFAULTS)
    assert (one.settings.fixed_modality, one.settings.moving_modality) == (Modality.CT, Modality.MR)
    assert (two.settings.fixed_modality, two.settings.moving_modality) == (None, Modality.PET)
    assert one.settings.fixed_window is not None
    assert one.settings.moving_window is None
    assert (one.settings.balance, one.settings.plane.name) == (-0.5, "CORONAL")
    assert (one.settings.deterministic, one.settings.batch_size) == (False, 4)
    assert (one.region, one.volume) == (tmp_path / "mask.nii", "2,1")
    assert (two.settings.balance, two.settings.batch_size, two.region, two.volume) == (0.25, None, None, None)


@pytest.mark.parametrize(
    "data",
    [
        "fixed;moving\na,1;b\n".encode("utf-8-sig"),
        "fixed\tmoving\r\na,1\tb\r\n".encode("utf-16"),
        b'moving,fixed\n\nb,"a,1"\n,\n',
    ],
    ids=["semicolons with a mark of the encoding", "UTF-16 with tabs", "quoted, with empty lines"],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, data: bytes) -> None:
    (case,) = cases_of_table(table(tmp_path, data), DEFAULTS)
    assert (case.fixed.name, case.moving.name) == ("a,1", "b")


def test_one_fixed_volume_in_several_rows_gives_names_of_both(tmp_path: Path) -> None:
    cases = cases_of_table(table(tmp_path, "fixed,moving\na.nii,b.nii\na.nii,c.nii\nd.nii,c.nii\n"), DEFAULTS)
    assert [case.name for case in cases] == ["a_b", "a_c", "d"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("fixed\na\n", "no column 'moving'"),
        ("fixed,moving,colour\na,b,c\n", "'colour', which is unknown"),
        ("fixed,moving,moving\na,b,c\n", "two columns 'moving'"),
        ("fixed,moving\na,\n", "line 2 names no moving volume"),
        ("fixed,moving\na,b,c\n", "line 2 has more cells"),
        ("fixed,moving,balance\na,b,much\n", "line 2: The setting 'balance' is 'much'; give a number"),
        ("fixed,moving,balance\na,b,3\n", "line 2: The balance is 3"),
        ("fixed,moving,plane\na,b,flat\n", "line 2: There is no plane 'flat'"),
        ("fixed,moving,deterministic\na,b,perhaps\n", "give true or false"),
        ("fixed,moving,modality,moving_modality\na,b,ct,mr\n", "contradict each other"),
        ("fixed,moving,name\na,b,x\na,c,X\n", "Two cases are named 'X'"),
        ("fixed,moving,name\na,b,../x\n", "holds '/'; leave that out"),
        ("fixed,moving,name\na,b,.x\n", "begins or ends with a character that a folder's cannot"),
        ("fixed,moving,name\na,b,con\n", "cannot be named 'con'"),
        ("fixed,moving,name\na,b,failed\n", "cannot be named 'failed'"),
        ("fixed,moving,name\na,b,M\u00fcller\na,c,Mu\u0308ller\n", "Two cases are named"),
        ("fixed,moving,name\na,b," + 99 * "\u540d" + "\n", "is longer than a folder's can be"),
        ("fixed,moving\n", "has column names but no pairs; add a line for each pair"),
        (b"fixed,moving\n\xff\xe9,b\n", "is not UTF-8 text"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        cases_of_table(table(tmp_path, text), DEFAULTS)
    assert message in str(caught.value)


def test_masks_and_the_map_of_misalignment_are_columns(tmp_path: Path) -> None:
    text = "fixed,moving,mask,moving_mask,misalignment\na,b,m/a.nii,,yes\nc,d,,m/d.nii,\n"
    one, two = cases_of_table(table(tmp_path, text), DEFAULTS)
    assert (one.mask, one.moving_mask, one.misalignment) == (tmp_path / "m" / "a.nii", None, True)
    assert (two.mask, two.moving_mask, two.misalignment) == (None, tmp_path / "m" / "d.nii", False)
    assert set(two.inputs) == {"fixed", "moving", "moving_mask"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("fixed,moving,mask,registration\na,b,m,none\n", "line 2: The method 'none' ignores masks"),
        ("fixed,moving,mask,transform\na,b,m,t\n", "line 2: A given transform takes the place"),
        ("fixed,moving,volume\na,b,all\n", "line 2: A case takes one volume"),
        ("fixed,moving,misalignment\na,b,maybe\n", "give true or false"),
    ],
)
def test_what_a_case_cannot_have_is_told_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        cases_of_table(table(tmp_path, row), DEFAULTS)


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
    with pytest.raises(InputError, match="give both volumes of a pair the same name"):
        cases_of_folders(*folders(tmp_path, "a.nii", "b.nii"), DEFAULTS)


def test_two_volumes_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="have the same name"):
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
