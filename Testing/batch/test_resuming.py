"""Whether an input is still the one it was."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from CSAFusionLib.batch import resuming
from CSAFusionLib.batch.resuming import describe_input
from CSAFusionLib.errors import InputError


def test_a_file_has_its_sha_256(tmp_path: Path) -> None:
    file = tmp_path / "a.nii"
    file.write_bytes(b"voxels")
    described = describe_input(file)
    assert described["sha256"] == hashlib.sha256(b"voxels").hexdigest()
    assert (described["path"], described["bytes"]) == (str(file), 6)


def test_a_file_of_the_same_size_and_time_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.nii"
    file.write_bytes(b"voxels")
    known = describe_input(file)
    monkeypatch.setattr(resuming, "_sha256", lambda file: pytest.fail("read again"))
    assert describe_input(file, known) == known


def test_a_file_that_was_touched_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.nii"
    file.write_bytes(b"voxels")
    known = describe_input(file)
    file.write_bytes(b"others")
    os.utime(file, ns=(0, known["modified_ns"] + 1))
    assert describe_input(file, known)["sha256"] == hashlib.sha256(b"others").hexdigest()


def test_a_folder_counts_with_names_and_contents_and_wherever_it_lies(tmp_path: Path) -> None:
    for folder, names in (("one", "ab"), ("same", "ab"), ("renamed", "ac")):
        (tmp_path / folder / "series").mkdir(parents=True)
        for name in names:
            (tmp_path / folder / "series" / name).write_text("slice")
    one, same, renamed = (describe_input(tmp_path / name)["sha256"] for name in ("one", "same", "renamed"))
    assert one == same != renamed


def test_a_header_counts_with_its_voxels(tmp_path: Path) -> None:
    header = tmp_path / "a.mhd"
    header.write_text("header")
    (tmp_path / "a.raw").write_text("voxels")
    before = describe_input(header)["sha256"]
    (tmp_path / "a.raw").write_text("others")
    assert describe_input(header)["sha256"] != before


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing.nii' does not exist"):
        describe_input(tmp_path / "missing.nii")
