"""CSAFusionLib/volumes/input_path.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.input_path import check_input_path


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
