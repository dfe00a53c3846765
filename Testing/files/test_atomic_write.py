"""Outputs are put in place together or not at all; temporary folders go even when their owner is killed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from CSAFusionLib.errors import Cancelled, InputError
from CSAFusionLib.files import temporary
from CSAFusionLib.files.atomic_write import (
    Unwritable,
    atomic_write,
    check_folder,
    content_writer,
    is_same_file,
    place_of,
)
from CSAFusionLib.files.temporary import OwnedFolder, sweep

posix_permissions_only = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and modes of POSIX")
not_as_root = pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may do everything")


@posix_permissions_only
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


@posix_permissions_only
def test_a_link_leads_to_its_place(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.nii").symlink_to("elsewhere/real.nii")
    (tmp_path / "folder").symlink_to("elsewhere")
    real = Path(os.path.realpath(tmp_path)) / "elsewhere" / "real.nii"
    assert place_of(tmp_path / "a.nii") == real
    assert place_of(tmp_path / "folder" / "real.nii") == real


@posix_permissions_only
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


@posix_permissions_only
def test_one_file_has_many_names(tmp_path: Path) -> None:
    (tmp_path / "a.nii").touch()
    (tmp_path / "link").symlink_to("a.nii")
    os.link(tmp_path / "a.nii", tmp_path / "other.nii")
    for name in ("link", "other.nii", "../" + tmp_path.name + "/a.nii"):
        assert is_same_file(tmp_path / "a.nii", tmp_path / name)
    assert is_same_file(tmp_path / "new.nii", tmp_path / "." / "new.nii")
    assert not is_same_file(tmp_path / "a.nii", tmp_path / "b.nii")


posix_only = pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are no text")
def test_a_name_that_is_no_text_is_refused_before_itk_meets_it(tmp_path: Path, monkeypatch) -> None:
    old = tmp_path / os.fsdecode(b"M\xfcller")
    old.mkdir()
    monkeypatch.chdir(old)
    for path in (old / "fused.nii.gz", tmp_path / os.fsdecode(b"\xff.nrrd"), Path("fused.nrrd")):
        with pytest.raises(InputError, match="no text in this system's encoding; rename it"):
            place_of(path)
        with pytest.raises(InputError, match="no text"):
            atomic_write({path: lambda _: pytest.fail("it is written")})


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two outputs, one in a folder of its own, that were there before."""
    (tmp_path / "inner").mkdir()
    paths = tmp_path / "one.txt", tmp_path / "inner" / "two.txt"
    for path in paths:
        path.write_text("old")
    return paths


def everything(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}


def refuse(error: Exception) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text("half")
        raise error

    return write


def test_files_appear_together_and_leave_nothing_beside_them(two: tuple[Path, Path], tmp_path: Path) -> None:
    atomic_write({two[0]: content_writer("1\n"), two[1]: content_writer(b"2")})
    assert everything(tmp_path) == {"one.txt": "1\n", "two.txt": "2"}


def test_a_writer_is_given_the_output_s_name_with_an_ending_that_libraries_know(tmp_path: Path) -> None:
    names: list[str] = []

    def write(path: Path) -> None:
        names.append(path.name)
        path.touch()

    outputs = [tmp_path / name for name in ("a.b.NII.GZ", "A.PNG", "a.png")]
    atomic_write(dict.fromkeys(outputs, write))
    assert names == ["a.b.nii.gz", "A.png", "a.png"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EFBIG, "File too large"), "larger than files may be"),
        (RuntimeError("ITK ERROR: /tmp/.csafusion-x/0.nii"), "check that the disk has room"),
        (Unwritable("the disk does not keep it whole"), "the disk does not keep it whole"),
    ],
)
def test_when_one_file_cannot_be_written_no_file_changes_and_that_one_is_named(
    two: tuple[Path, Path], tmp_path: Path, error: Exception, said: str
) -> None:
    for first, second, wrong in ((content_writer("new"), refuse(error), 1), (refuse(error), content_writer("new"), 0)):
        with pytest.raises(InputError, match=said) as told:
            atomic_write({two[0]: first, two[1]: second})
        assert str(told.value).startswith(f"'{two[wrong]}' could not be written: ")
        assert ".csafusion" not in str(told.value)
        assert everything(tmp_path) == {"one.txt": "old", "two.txt": "old"}


def test_a_library_that_could_not_write_on_a_full_disk_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(InputError, match="the disk is full"):
        atomic_write({tmp_path / "a.txt": refuse(RuntimeError("failed"))})


def test_nothing_written_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a.txt' could not be written: nothing was written\."):
        atomic_write({tmp_path / "a.txt": lambda path: None})


@pytest.mark.parametrize("links", [True, False])
def test_when_one_file_cannot_be_put_in_place_all_are_as_before(
    two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    replace = os.replace

    def held(source: Path, target: Path) -> None:
        if target == two[1] and source.name == "two.txt":
            raise PermissionError(errno.EACCES, "held by another program")
        replace(source, target)

    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "replace", held)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    new = tmp_path / "new.txt"
    with pytest.raises(InputError, match="two.txt' could not be written: another program holds it"):
        atomic_write({new: content_writer("1"), two[0]: content_writer("2"), two[1]: content_writer("3")})
    assert everything(tmp_path) == {"one.txt": "old", "two.txt": "old"}


def test_a_disk_that_tells_only_at_the_end_that_it_is_full_is_heard(
    two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="your share of the disk is used up"):
        atomic_write({two[0]: content_writer("new")})
    assert everything(tmp_path) == {"one.txt": "old", "two.txt": "old"}


def test_it_can_be_cancelled_between_files_and_before_they_are_put_in_place(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    for last in (1, 2, 3):
        calls: list[int] = []

        def progress(stage: str, done: int, total: int, calls: list[int] = calls, last: int = last) -> None:
            calls.append(1)
            if len(calls) == last:
                raise Cancelled

        with pytest.raises(Cancelled):
            atomic_write({two[0]: content_writer("new"), two[1]: content_writer("new")}, progress)
        assert everything(tmp_path) == {"one.txt": "old", "two.txt": "old"}


@posix_only
def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to("elsewhere/real.txt")
    for content in ("first", "second"):
        atomic_write({link: content_writer(content)})
        assert link.is_symlink() and (tmp_path / "elsewhere" / "real.txt").read_text() == content
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["elsewhere", "link.txt", "real.txt"]


@posix_only
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_mode_of_any_other_and_an_old_one_keeps_its_own(
    tmp_path: Path, mask: int, mode: int
) -> None:
    before = os.umask(mask)
    try:
        atomic_write({tmp_path / "a.txt": content_writer("1")})
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode
        (tmp_path / "a.txt").chmod(0o750)
        atomic_write({tmp_path / "a.txt": content_writer("2")})
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o750
    finally:
        os.umask(before)


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(two: tuple[Path, Path], tmp_path: Path) -> None:
    def fail(file: Path) -> None:
        file.write_text("half")
        raise RuntimeError("failed")

    with pytest.raises(InputError, match="one.txt' could not be written"):
        atomic_write({two[0]: fail})
    assert everything(tmp_path) == {"one.txt": "old", "two.txt": "old"}
    atomic_write({two[0]: content_writer("new")})
    assert two[0].read_text() == "new"


def test_a_text_that_a_full_disk_cuts_off_is_told(tmp_path: Path, limited_files) -> None:
    for content in ("x" * 5000, b"x" * 5000):
        with limited_files(4999), pytest.raises(InputError, match="a.json' could not be written: it is larger"):
            atomic_write({tmp_path / "a.json": content_writer(content)})
    assert list(tmp_path.iterdir()) == []


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
