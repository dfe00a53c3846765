"""A batch in a child process, and what a batch has written, read back."""

from __future__ import annotations

import json
import time
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from CSAFusionLib.batch.case import Case, Defaults, Place
from CSAFusionLib.batch.case_lists import cases_of_table
from CSAFusionLib.batch.child import BatchProcess, Pair, Row, write_table
from CSAFusionLib.batch.layout import read_record, read_records
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.volumes.nifti import Orientation
from Testing.batch.conftest import MakeCase


def ended(batch: BatchProcess, seconds: float = 120) -> list[Row]:
    rows: list[Row] = []
    deadline = time.monotonic() + seconds
    while batch.is_running:
        rows += batch.poll()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return rows


def test_every_setting_comes_through_the_table(tmp_path: Path) -> None:
    settings = FusionSettings(
        registration="sitk", transform_model="affine", fixed_modality="ct", moving_modality="pet", fixed_window="40,80",
        colour_table="hot-iron", balance=-0.125, plane="coronal", weights="/w/a.safetensors", device="cpu",
        batch_size=3, seed=7, deterministic=False,
    )  # fmt: skip
    pair = Pair("one", tmp_path / "a b.nii", tmp_path / "c.nii")
    write_table(tmp_path / "pairs.tsv", [pair], settings)
    (case,) = cases_of_table(tmp_path / "pairs.tsv", Defaults(FusionSettings()))
    assert case.settings == settings
    assert Pair(case.name, case.fixed, case.moving) == pair


def test_a_case_keeps_what_is_its_own(tmp_path: Path) -> None:
    def path(name: str) -> Path:
        return tmp_path / name

    settings = FusionSettings(balance=0.5, registration="none")
    case = Case(
        "one", path("a.nii"), path("b.nii"), settings, Place(PurePosixPath("one")),
        volume="2", orientation=Orientation.SFORM, region=path("region.nrrd"), transform=path("t.tfm"),
        misalignment=True,
    )  # fmt: skip
    write_table(path("pairs.tsv"), [case, Pair("two", path("c.nii"), path("d.nii"))], FusionSettings(balance=-1))
    first, second = cases_of_table(path("pairs.tsv"), Defaults(FusionSettings()))
    assert first == case
    assert second.settings == FusionSettings(balance=-1) and second.region is None


@pytest.mark.slow
def test_cases_are_told_as_they_end_and_a_second_start_finds_them_done(make_case: MakeCase, out: Path) -> None:
    cases = [make_case(name) for name in "ab"]
    cases[1].fixed.write_bytes(b"no volume")
    pairs = [Pair(case.name, case.fixed, case.moving) for case in cases]
    for _ in range(2):
        batch = BatchProcess(pairs, out, FusionSettings(registration="none", device="cpu"), jobs=1)
        batch.start()
        rows = {row.name: row for row in ended(batch)}
        assert (rows["a"].status, rows["b"].status) == ("done", "failed")
        assert rows["a"].verdict in ("good", "doubtful", "bad")
        assert "b_t1.nii.gz" in rows["b"].reason
    assert [record.name for record in read_records(out)] == ["a", "b"]


def test_a_batch_that_fails_as_a_whole_says_why(make_case: MakeCase, tmp_path: Path) -> None:
    case = make_case("a")
    (tmp_path / "file").touch()
    batch = BatchProcess([Pair("a", case.fixed, case.moving)], tmp_path / "file", FusionSettings())
    batch.start()
    with pytest.raises(InputError, match="is not a folder"):
        ended(batch)
    assert not batch.is_running


def test_a_cancelled_batch_leaves_no_process(make_case: MakeCase, out: Path) -> None:
    case = make_case("a")
    batch = BatchProcess([Pair("a", case.fixed, case.moving)], out, FusionSettings(), jobs=1)
    batch.start()
    batch.cancel()
    assert not batch.is_running
    assert batch.poll() == []


def test_a_batch_that_is_asked_to_stop_ends_without_an_error_and_at_its_time(make_case: MakeCase, out: Path) -> None:
    case = make_case("a")
    batch = BatchProcess([Pair("a", case.fixed, case.moving)], out, FusionSettings(), jobs=1)
    batch.start()
    began = time.monotonic()
    batch.stop()
    assert time.monotonic() - began < 0.2
    assert ended(batch, 20) == []


@pytest.mark.parametrize(("pairs", "message"), [([], "no pair"), ([Pair("../x", Path("a"), Path("b"))], "holds '/'")])
def test_what_cannot_be_a_batch_is_refused_before_anything_starts(pairs: list[Pair], message: str, out: Path) -> None:
    with pytest.raises(InputError, match=message):
        BatchProcess(pairs, out, FusionSettings()).start()


@pytest.mark.slow
def test_a_second_start_tells_nothing_of_the_summary_before(make_case: MakeCase, out: Path) -> None:
    case = make_case("a")
    (out / "summary.tsv").write_text("name\tstatus\tverdict\treason\trecord\na\tfailed\tn/a\told\tx\n")
    batch = BatchProcess([Pair("a", case.fixed, case.moving)], out, FusionSettings(registration="none"), jobs=1)
    batch.start()
    assert [(row.name, row.status) for row in ended(batch)] == [("a", "done")]


def test_a_batch_that_stops_on_the_way_says_why_whatever_was_told_before(make_case: MakeCase, out: Path) -> None:
    case = make_case("a")
    (out / "failed").mkdir()
    (out / "failed" / "a.json").write_text('{"format": "csafusion-failed-case", "format_version": 99}')
    (out / "summary.tsv").write_text("name\tstatus\tverdict\treason\trecord\na\tfailed\tn/a\told\tx\n")
    batch = BatchProcess([Pair("a", case.fixed, case.moving)], out, FusionSettings(registration="none"), jobs=1)
    batch.start()
    with pytest.raises(InputError, match=r"a\.json"):
        ended(batch)


def done(name: str) -> dict[str, Any]:
    return {
        "format": "csafusion-case",
        "format_version": 1,
        "name": name,
        "inputs": {"fixed": {"path": "/data/t1.nii.gz"}},
        "outputs": {"fused": {"file": "fused.nii.gz"}},
        "settings": {},
        "registration": {"verdict": {"level": "good", "reason": "It is."}},
        "run": {},
    }


def failed(name: str) -> dict[str, Any]:
    kept = {key: value for key, value in done(name).items() if key not in ("outputs", "registration")}
    return kept | {"format": "csafusion-failed-case", "sentence": "It does not exist."}


def put(file: Path, values: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))
    return file


def test_cases_of_folders_of_bids_and_of_failures_are_found(tmp_path: Path) -> None:
    put(tmp_path / "b" / "case.json", done("b"))
    put(tmp_path / "sub-1" / "ses-1" / "pet" / "sub-1_space-T1w_desc-fused_pet.json", done("a"))
    put(tmp_path / "failed" / "0.json", failed("0"))
    put(tmp_path / "sub-1" / "ses-1" / "pet" / "sub-1_space-T1w_desc-registered_pet.json", {"Sources": []})
    records = read_records(tmp_path)
    assert [record.name for record in records] == ["a", "b", "0"]
    assert [record.failed for record in records] == [False, False, True]
    assert records[1].verdict == {"level": "good", "reason": "It is."}
    assert records[1].output("fused") == tmp_path / "b" / "fused.nii.gz"
    assert records[1].input("fixed") == Path("/data/t1.nii.gz")
    assert (records[2].verdict, records[2].sentence) == (None, "It does not exist.")


def test_a_folder_without_cases_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "b" / "case.json", {"another": "program's"})
    with pytest.raises(InputError, match="holds no case of a batch"):
        read_records(tmp_path)


@pytest.mark.parametrize("key", ["name", "inputs", "outputs", "settings", "registration", "run"])
def test_a_record_that_is_not_whole_is_refused_by_what_it_lacks(tmp_path: Path, key: str) -> None:
    values = done("a")
    del values[key]
    with pytest.raises(InputError, match=f"damaged: its '{key}'"):
        read_record(put(tmp_path / "case.json", values))


def test_a_record_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="later version"):
        read_record(put(tmp_path / "case.json", done("a") | {"format_version": 2}))
