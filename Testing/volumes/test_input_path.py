"""The path of an input, the files that a header names, and the choice of one of several volumes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.input_path import SeveralVolumesError, check_input_path, chosen, listed_files, numbered_files


def _refusal_of(path: Path) -> str:
    with pytest.raises(InputError) as refusal:
        check_input_path(path)
    assert str(refusal.value).endswith(".")
    return str(refusal.value)


def test_a_folder_is_told_from_a_file_through_links_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    assert check_input_path(tmp_path)
    assert not check_input_path(tmp_path / "file")
    assert not check_input_path(tmp_path / "link")


def test_what_is_not_there_is_said_not_to_exist(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to("gone")
    for path in (tmp_path / "gone", tmp_path / "file" / "below", tmp_path / "broken"):
        assert f"'{path}' does not exist" in _refusal_of(path)


def test_a_loop_of_links_a_long_name_and_a_null_character_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    for path in (tmp_path / "one", tmp_path / ("a" * 300), tmp_path / "a\0b"):
        assert "cannot be opened" in _refusal_of(path)


def test_a_pipe_and_a_device_are_refused_and_never_opened(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes among its files")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        assert "is a pipe or a device" in _refusal_of(path)


HERE = Path("folder")


@pytest.mark.parametrize(
    ("pattern", "limits", "names"),
    [
        ("s%03d.raw", ("8", "10", "1"), ["s008.raw", "s009.raw", "s010.raw"]),
        ("s%d.raw", ("1", "5", "2"), ["s1.raw", "s3.raw", "s5.raw"]),
        ("%2d", ("3", "1", "-1"), [" 3", " 2", " 1"]),
        ("s%n%s.raw", ("1", "2", "1"), []),
        ("s%d.raw", ("1", "x", "1"), []),
        ("s%d.raw", ("1", "2", "0"), []),
        ("s%d.raw", ("1", "999999999", "1"), []),
        ("none.raw", ("1", "2", "1"), []),
    ],
)
def test_numbers_fill_the_place_in_a_pattern(pattern: str, limits: tuple[str, ...], names: list[str]) -> None:
    assert [file.name for file in numbered_files(HERE, pattern, limits)] == names


def test_a_list_names_a_file_in_each_line_that_follows(tmp_path: Path) -> None:
    header = tmp_path / "a.nhdr"
    header.write_bytes(b"NRRD0004\ndata file: LIST 2\r\na.raw\r\n\nb c.raw\n")
    assert listed_files(header, after=b"LIST", folder=HERE) == (HERE / "a.raw", HERE / "b c.raw")
    header.write_bytes(b"NRRD0004\n")
    assert listed_files(header, after=b"LIST", folder=HERE) == ()


TWO = [("magnitude", 6), ("", 1)]


def test_the_only_volume_needs_no_number_and_others_do() -> None:
    assert chosen("a", [("", 6)], None) == 0
    assert chosen("a", [("", 6)], 1) == 0
    assert chosen("a", TWO, 2) == 1


def test_several_volumes_are_listed_with_what_tells_them_apart() -> None:
    with pytest.raises(SeveralVolumesError) as refusal:
        chosen("a.dcm", TWO, None)
    assert str(refusal.value) == (
        "'a.dcm' holds 2 volumes: 1 (magnitude, 6 slices), 2 (1 slice); choose one by its number with --volume."
    )
    with pytest.raises(SeveralVolumesError, match=r"holds 60 volumes: .*8 \(3 slices\), \.\.\. 60; choose"):
        chosen("a.dcm", [("", 3)] * 60, None)


@pytest.mark.parametrize(("volumes", "number"), [(TWO, 0), (TWO, 3), (TWO, -1), (TWO[:1], 2)])
def test_a_number_that_is_none_of_them_is_refused(volumes, number: int) -> None:
    with pytest.raises(InputError, match=f"there is no volume {number}; choose from 1 to {len(volumes)}"):
        chosen("a", volumes, number)
