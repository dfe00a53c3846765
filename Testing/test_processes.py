"""Child processes end with all they started and with their parent; a request to end this process is obeyed in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from CSAFusionLib import processes
from CSAFusionLib.processes import (
    GROUP,
    ChildProcess,
    ModuleProcess,
    find_program,
    interpreter,
    module_command,
    module_variables,
    watch,
)
from CSAFusionLib.progress import ends_in_order, undisturbed

PARENT = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="file modes and signals of POSIX")


def test_what_a_process_started_ends_with_it(
    tmp_path: Path, is_running: Callable[[int], bool], ends: Callable[[int], bool]
) -> None:
    process = ChildProcess([sys.executable, "-c", PARENT], tmp_path, stdout=subprocess.PIPE, text=True)
    with process.stdout as lines:
        started = int(lines.readline())
    assert is_running(started)
    process.end()
    assert ends(started) and process.returncode != 0


def test_a_process_that_has_ended_is_no_error(tmp_path: Path) -> None:
    process = ChildProcess([sys.executable, "-c", ""], tmp_path)
    assert process.wait() and process.poll() == 0
    process.end()
    assert process.returncode == 0


@posix_only
def test_a_process_is_asked_to_end_before_it_is_made_to(tmp_path: Path) -> None:
    answer = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); print('ready', flush=True)"
    process = ChildProcess(
        [sys.executable, "-c", f"{answer}; time.sleep(60)"], tmp_path, stdout=subprocess.PIPE, text=True
    )
    with process.stdout as lines:
        lines.readline()
    process.end(10)
    assert process.returncode == 7


def test_nothing_watches_over_a_process_that_has_ended(tmp_path: Path, ends: Callable[[int], bool]) -> None:
    process = ChildProcess([sys.executable, "-c", ""], tmp_path)
    assert process._watchman is not None
    watchman = process._watchman.pid
    process.wait()
    assert ends(watchman) and tmp_path.is_dir()


@pytest.mark.parametrize("named", ["", os.pathsep])
def test_a_file_of_the_current_folder_is_no_module_of_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    data, folder, trace = tmp_path / "data", tmp_path / "folder", tmp_path / "executed"
    for place in (data, folder):
        place.mkdir()
        for module in ("json", "runpy", "CSAFusionLib"):
            (place / f"{module}.py").write_text(f"open({str(trace)!r}, 'w')\n")
    monkeypatch.chdir(data)
    monkeypatch.setenv("PYTHONPATH", named)
    paths = ["", str(data), *sys.path]
    process = ChildProcess(module_command("CSAFusionLib.worker.job"), folder, variables=module_variables(paths))
    assert process.wait(30) and process.returncode == 0
    assert not trace.exists()


def test_a_child_finds_what_this_process_finds_by_pythonpath(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "site")
    path = module_variables([str(tmp_path), "", "relative", str(tmp_path / "more")])["PYTHONPATH"].split(os.pathsep)
    assert path == [str(processes.ROOT), str(tmp_path / "site"), str(tmp_path / "more")]


@posix_only
@pytest.mark.parametrize("path", ["", ".", "{empty}:", ":{empty}", "relative"])
def test_a_program_of_the_current_folder_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path, tmp_path / "relative"):
        place.mkdir(exist_ok=True)
        (place / "BRAINSFit").write_text("#!/bin/sh\n")
        (place / "BRAINSFit").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path.format(empty=tmp_path / "empty"))
    assert find_program("BRAINSFit") is None
    monkeypatch.setenv("PATH", f"{tmp_path / 'empty'}:{tmp_path}")
    assert find_program("BRAINSFit") == str(tmp_path / "BRAINSFit")


def test_inside_slicer_modules_run_in_the_python_that_slicer_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    assert interpreter() == sys.executable
    monkeypatch.setattr(sys, "executable", "/opt/Slicer/bin/SlicerApp-real")
    monkeypatch.setattr(processes, "find_program", lambda name: f"/opt/Slicer/bin/{name}")
    assert interpreter() == "/opt/Slicer/bin/PythonSlicer"


@posix_only
def test_a_child_is_none_of_a_closed_terminal_s(tmp_path: Path) -> None:
    process = ChildProcess([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    process.end()
    assert process.returncode == -signal.SIGKILL


def test_what_is_raised_while_waiting_ends_the_process(tmp_path: Path) -> None:
    process = ChildProcess([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path)

    def cancel() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.follow(cancel)
    assert process.returncode not in (None, 0)


def test_the_folder_of_a_module_goes_when_it_is_dismissed() -> None:
    process = ModuleProcess("CSAFusionLib.worker.job", stdout=subprocess.PIPE)
    folder = process.files.path
    process.follow(lambda: None)
    assert folder.is_dir()
    process.dismiss()
    assert process.returncode == 0 and not folder.exists()


def test_a_module_that_cannot_be_started_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OSError, match="No such file|cannot find"):
        ModuleProcess("CSAFusionLib.worker.job", python=str(tmp_path / "no_python"))
    assert not any(tmp_path.iterdir())


def test_a_child_and_its_folder_go_as_soon_as_the_lifeline_is_cut(
    tmp_path: Path, is_running: Callable[[int], bool], ends: Callable[[int], bool]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "volume.nrrd").write_text("a patient's")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=folder, **GROUP)
    lifeline, parents_end = os.pipe()
    watching = threading.Thread(target=watch, args=(lifeline, child.pid, folder))
    watching.start()
    watching.join(0.2)
    assert is_running(child.pid) and folder.is_dir()
    os.close(parents_end)
    assert ends(child.pid)
    watching.join(5)
    assert not folder.exists()
    child.wait()
    os.close(lifeline)


of_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@of_posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_request_to_end_unwinds_what_is_open_and_keeps_its_exit_code(name: str) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as told, ends_in_order():
        signal.raise_signal(number)
    assert told.value.code == 128 + number
    assert signal.getsignal(number) is before


@of_posix
def test_what_is_ignored_or_answered_otherwise_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ends_in_order():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@of_posix
def test_outside_the_main_thread_nothing_changes() -> None:
    seen: list[object] = []

    def work() -> None:
        with ends_in_order(), undisturbed():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


@of_posix
@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_request_is_put_off_until_what_must_be_whole_is_done(number: int, raised: type[BaseException]) -> None:
    done: list[int] = []
    with pytest.raises(raised), ends_in_order(), undisturbed():
        signal.raise_signal(number)
        done.append(1)
    assert done == [1]


@of_posix
def test_a_request_is_not_lost_when_the_block_fails() -> None:
    with pytest.raises(KeyboardInterrupt), undisturbed():
        signal.raise_signal(signal.SIGINT)
        raise ValueError
