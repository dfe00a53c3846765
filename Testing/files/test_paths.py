"""Tests of the paths that a user names for outputs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import check_folder, is_same_file, place_of

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and modes of POSIX")
not_as_root = pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may do everything")


@posix_only
def test_a_place_that_refuses_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "elsewhere").symlink_to("gone/away.nii")
    (tmp_path / "to-folder").symlink_to("folder")
    (tmp_path / "null").symlink_to(os.devnull)
    os.mkfifo(tmp_path / "pipe")
    for name, said in {
        "folder": "is a folder",
        "to-folder": "is a folder",
        "missing/a.nii": "does not exist",
        "file/a.nii": "does not exist",
        "loop": "leads back to itself",
        "elsewhere": "gone' does not exist",
        "null": "a pipe or a device",
        "pipe": "a pipe or a device",
        "a" * 300: "too long",
    }.items():
        with pytest.raises(InputError, match=said) as told:
            place_of(tmp_path / name)
        assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="cannot be written to"):
        place_of(Path("/proc/a.nii"))


@posix_only
def test_a_link_leads_to_its_place(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.nii").symlink_to("elsewhere/real.nii")
    (tmp_path / "folder").symlink_to("elsewhere")
    real = Path(os.path.realpath(tmp_path)) / "elsewhere" / "real.nii"
    assert place_of(tmp_path / "a.nii") == real
    assert place_of(tmp_path / "folder" / "real.nii") == real


@posix_only
@not_as_root
def test_rights_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.nii").touch(mode=0o444)
    with pytest.raises(InputError, match="write-protected"):
        place_of(tmp_path / "a.nii")
    tmp_path.chmod(0o555)
    with pytest.raises(InputError, match="cannot be written to"):
        place_of(tmp_path / "b.nii")


def test_looking_at_a_place_leaves_no_trace(tmp_path: Path) -> None:
    before = tmp_path.stat().st_mtime_ns
    place_of(tmp_path / "a.nii")
    assert list(tmp_path.iterdir()) == [] and (sys.platform != "linux" or tmp_path.stat().st_mtime_ns == before)


def test_a_file_is_no_folder_for_outputs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="does not exist"):
        check_folder(tmp_path / "file")


@posix_only
def test_one_file_has_many_names(tmp_path: Path) -> None:
    (tmp_path / "a.nii").touch()
    (tmp_path / "link").symlink_to("a.nii")
    os.link(tmp_path / "a.nii", tmp_path / "other.nii")
    for name in ("link", "other.nii", "../" + tmp_path.name + "/a.nii"):
        assert is_same_file(tmp_path / "a.nii", tmp_path / name)
    assert is_same_file(tmp_path / "new.nii", tmp_path / "." / "new.nii")
    assert not is_same_file(tmp_path / "a.nii", tmp_path / "b.nii")
