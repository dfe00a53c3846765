"""Real processes: they succeed, fail, are cancelled, and leave nothing behind."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled, RegistrationError
from CSAFusionLib.registration.engines import engine_process

ROOT = Path(__file__).resolve().parents[3]
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="only POSIX asks a process to end")

# Says who it is, starts another process, and says who that is.
A_LAUNCHER = """
import os, pathlib, subprocess, sys, time
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pids = pathlib.Path(sys.argv[1])
pids.with_suffix(".part").write_text(f"{os.getpid()} {other.pid}")
pids.with_suffix(".part").rename(pids)
time.sleep(60)
"""
A_HOST = """
import sys, tempfile
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.registration.engines import engine_process
tempfile.tempdir = sys.argv[3]
with OwnedFolder() as folder:
    engine_process.run_child("Program", [sys.executable, "-c", *sys.argv[1:3]], folder, threads=1, on_wait=lambda: None)
"""


def _run(code: str, folder: Path, *arguments: str, on_wait: Callable[[], None] = lambda: None, **more) -> None:
    command = [sys.executable, "-c", code, *arguments]
    engine_process.run_child("Program", command, folder, threads=3, on_wait=on_wait, **more)


def _read_when_there(file: Path) -> list[int]:
    deadline = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < deadline, "the process told nothing"
        time.sleep(0.01)
    return [int(word) for word in file.read_text().split()]


def test_a_command_gets_its_threads_its_variables_and_a_place_for_temporary_files(tmp_path: Path) -> None:
    show = "import os, tempfile; print(os.environ['ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS'], os.environ['MINE'], end=' ')"
    _run(f"{show}; print(tempfile.gettempdir())", tmp_path, variables={"MINE": "kept"})
    assert (tmp_path / "output.txt").read_text().split() == ["3", "kept", str(tmp_path)]


def test_the_last_line_of_a_failing_commands_errors_is_passed_on(tmp_path: Path) -> None:
    code = "import sys; print('starting'); print('the grid is too small\\n\\n', file=sys.stderr); sys.exit(3)"
    with pytest.raises(RegistrationError, match=r"^Program could not register .*\(the grid is too small\)"):
        _run(code, tmp_path)


def test_of_a_command_that_fails_without_errors_the_last_line_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(RegistrationError, match=r"\(the grid is too small\)"):
        _run("print('starting'); print('the grid is too small'); raise SystemExit(3)", tmp_path)


def test_of_a_command_that_fails_in_silence_the_exit_code_is_told(tmp_path: Path) -> None:
    with pytest.raises(RegistrationError, match=r"\(exit code 3\)"):
        _run("raise SystemExit(3)", tmp_path)


def test_a_command_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    with pytest.raises(RegistrationError, match="Program could not be started"):
        engine_process.run_child("Program", [str(tmp_path / "none")], tmp_path, threads=1, on_wait=lambda: None)


def test_cancelling_ends_a_command_and_all_it_started_within_a_fifth_of_a_second(
    tmp_path: Path, ends: Callable[[int], bool]
) -> None:
    pids = tmp_path / "pids"
    asked: list[float] = []

    def cancel_once_it_runs() -> None:
        if pids.exists():
            asked.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        _run(A_LAUNCHER, tmp_path, str(pids), on_wait=cancel_once_it_runs)
    assert time.monotonic() - asked[0] < 0.2
    assert all(ends(pid) for pid in _read_when_there(pids))


def test_it_asks_often_enough_to_be_cancelled_quickly(tmp_path: Path) -> None:
    times: list[float] = []
    _run("import time; time.sleep(0.5)", tmp_path, on_wait=lambda: times.append(time.monotonic()))
    assert max(np.diff(times)) < 0.15


@posix_only
def test_a_host_that_is_asked_to_end_ends_the_command_and_removes_its_files(
    tmp_path: Path, temporary_folder: Path, ends: Callable[[int], bool]
) -> None:
    pids = tmp_path / "pids"
    host = subprocess.Popen([sys.executable, "-c", A_HOST, A_LAUNCHER, str(pids), str(temporary_folder)], cwd=ROOT)
    started = _read_when_there(pids)
    host.send_signal(signal.SIGTERM)
    assert host.wait(5) == 128 + signal.SIGTERM
    assert all(ends(pid) for pid in started)
    assert not list(temporary_folder.iterdir())


def test_how_this_process_is_asked_to_end_is_as_before_once_a_command_has_ended(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    _run("", tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_images_are_handed_over_unchanged_and_removed_however_it_ends(a_pair, temporary_folder: Path) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    with pytest.raises(Cancelled), engine_process.exchange_folder(fixed, moving) as folder:
        for image, name in ((fixed, "fixed.nrrd"), (moving, "moving.nrrd")):
            there = sitk.ReadImage(str(folder / name))
            assert sitk.Hash(there) == sitk.Hash(image)
            assert there.GetDirection() == pytest.approx(image.GetDirection(), abs=1e-12)
        raise Cancelled
    assert not list(temporary_folder.iterdir())


def test_a_module_is_run_by_the_name_it_has_beside_this_one(tmp_path: Path) -> None:
    with pytest.raises(RegistrationError, match="No module named CSAFusionLib.registration.engines.no_child"):
        engine_process.run_module("Program", "no_child", [], tmp_path, threads=1, on_wait=lambda: None)


@posix_only
@pytest.mark.parametrize("kill", [signal.SIGKILL, getattr(signal, "SIGHUP", signal.SIGTERM)])
def test_a_command_ends_with_a_host_that_is_killed_or_whose_terminal_is_closed(
    tmp_path: Path, temporary_folder: Path, ends: Callable[[int], bool], kill: signal.Signals
) -> None:
    pids = tmp_path / "pids"
    host = subprocess.Popen([sys.executable, "-c", A_HOST, A_LAUNCHER, str(pids), str(temporary_folder)], cwd=ROOT)
    started = _read_when_there(pids)
    host.send_signal(kill)
    host.wait(5)
    assert all(ends(pid) for pid in started)
    deadline = time.monotonic() + 5
    while list(temporary_folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not list(temporary_folder.iterdir())


def test_a_missing_package_is_told_with_how_to_install_it() -> None:
    engine_process.check_installed("SimpleITK", "SimpleITK")
    with pytest.raises(RegistrationError, match=r"^Program needs the package no-such-package; .*pip install"):
        engine_process.check_installed("Program", "no-such-package")


def test_a_disk_that_has_no_room_for_the_volumes_is_told(a_pair, temporary_folder: Path, limited_files) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    with limited_files(1000), pytest.raises(RegistrationError, match="could not be handed over .*free disk space"):
        engine_process.exchange_folder(fixed, moving).__enter__()
    assert not list(temporary_folder.iterdir())


def test_a_result_that_a_full_disk_has_cut_off_is_told(tmp_path: Path) -> None:
    file = tmp_path / "warp.nii.gz"
    file.write_bytes(gzip.compress(bytes(10000)))
    engine_process.check_compressed(file)
    file.write_bytes(file.read_bytes()[:-1])
    with (
        pytest.raises(RegistrationError, match="The result of ANTs could not be read"),
        engine_process.takes_result("ANTs"),
    ):
        engine_process.check_compressed(file)
    with pytest.raises(RegistrationError, match="its own words"), engine_process.takes_result("ANTs"):
        raise RegistrationError("its own words")


def test_a_temporary_folder_that_is_not_there_is_told(a_pair, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(RegistrationError, match="no place for temporary files"):
        engine_process.exchange_folder(*(volume.image for volume in a_pair)).__enter__()
