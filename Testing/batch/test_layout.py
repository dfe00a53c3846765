"""What a batch has written, read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from CSAFusionLib.batch.layout import read_record, read_records
from CSAFusionLib.errors import InputError


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
