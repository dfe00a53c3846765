"""Tests of temporary folders that are removed even when their owner is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from CSAFusionLib.files import temporary
from CSAFusionLib.files.temporary import OwnedFolder, sweep

ROOT = Path(__file__).resolve().parents[2]
AN_OWNER = """
import os, sys, pathlib
from CSAFusionLib.files.temporary import OwnedFolder, sweep
folder = OwnedFolder(pathlib.Path(sys.argv[1]))
(folder.path / "volume.nrrd").write_text("a patient's")
print("ready", flush=True)
sys.stdin.read()
os._exit(9)
"""


@pytest.fixture(autouse=True)
def a_new_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this process had only just begun."""
    monkeypatch.setattr(temporary, "_swept", set())


@pytest.fixture
def an_owner(tmp_path: Path):
    """Another process, with a folder of its own in the folder of the test."""
    command = [sys.executable, "-c", AN_OWNER, str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_a_folder_goes_with_the_block_that_needed_it(tmp_path: Path) -> None:
    with OwnedFolder(tmp_path, prefix=".mine-") as folder:
        (folder / "inner").mkdir()
        assert folder.parent == tmp_path and folder.name.startswith(".mine-")
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_left_is_removed_by_the_next(tmp_path: Path, an_owner) -> None:
    an_owner.kill()
    an_owner.wait()
    assert [folder.name.startswith("csafusion-") for folder in tmp_path.iterdir()] == [True]
    with OwnedFolder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_the_folder_of_a_process_that_lives_is_left_alone(tmp_path: Path, an_owner) -> None:
    with OwnedFolder(tmp_path) as folder:
        (other,) = set(tmp_path.iterdir()) - {folder}
        assert (other / "volume.nrrd").is_file()


def test_folders_of_one_process_leave_each_other_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with OwnedFolder(tmp_path) as one:
        monkeypatch.setattr(temporary, "_swept", set())
        with OwnedFolder(tmp_path) as two:
            assert one.is_dir() and two.is_dir()


def test_a_folder_that_nobody_has_locked_or_another_computer_has_is_left_alone(tmp_path: Path) -> None:
    for name, lock in (("csafusion-notes", "notes.txt"), ("csafusion-abc", "owner-another.lock")):
        (tmp_path / name).mkdir()
        (tmp_path / name / lock).touch()
    with OwnedFolder(tmp_path):
        pass
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["csafusion-abc", "csafusion-notes"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / temporary._LOCK).touch()
    (tmp_path / "csafusion-link").symlink_to(elsewhere)
    with OwnedFolder(tmp_path):
        pass
    assert (elsewhere / temporary._LOCK).exists()


def test_where_no_folder_can_be_made_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        OwnedFolder(tmp_path / "missing")


def test_what_cannot_be_removed_yet_keeps_its_lock_for_the_next_to_come(
    tmp_path: Path, an_owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_owner.kill()
    an_owner.wait()
    (left,) = tmp_path.iterdir()
    (left / "below").mkdir()
    monkeypatch.setattr(temporary.shutil, "rmtree", lambda folder, ignore_errors: None)
    sweep(tmp_path)
    assert (left / "below").exists()
    monkeypatch.undo()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
