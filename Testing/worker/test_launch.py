"""Real child processes: they succeed, refuse, fail, crash, are cancelled, and leave nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.worker.job import CancelledEvent, ErrorEvent, Job, ProgressEvent, ResultEvent
from CSAFusionLib.worker.launch import WorkerProcess

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups of POSIX")


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch) -> Path:
    """Where the workers of a test make their folders; the child finds this folder's tasks."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return tmp_path


@pytest.fixture
def job() -> Job:
    voxels = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    return Job(
        Volume(sitk.GetImageFromArray(voxels), "Head CT"),
        Volume(sitk.GetImageFromArray(voxels + 1), "Head MR"),
        FusionSettings(seed=7),
    )


def started(job: Job, task: str, **options) -> WorkerProcess:
    worker = WorkerProcess(job, task=f"child_tasks:{task}", **options)
    worker.start()
    return worker


def all_events(worker: WorkerProcess, seconds: float = 60) -> list:
    events: list = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        events += worker.poll()
        if events and not isinstance(events[-1], ProgressEvent):
            return events
        time.sleep(0.02)
    raise AssertionError(f"the worker did not end within {seconds} s: {events}")


def first_progress(worker: WorkerProcess) -> ProgressEvent:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for event in worker.poll():
            return event
        time.sleep(0.02)
    raise AssertionError("the worker told nothing")


def test_the_result_comes_back_as_the_child_made_it(job, temporary_folder):
    *progress, last = all_events(started(job, "negate"))
    assert progress == [ProgressEvent("negation", done, 3) for done in (1, 2, 3)]
    assert isinstance(last, ResultEvent)
    assert np.array_equal(sitk.GetArrayFromImage(last.result.fused), -sitk.GetArrayFromImage(job.fixed.image))
    assert last.result.registration.transform.TransformPoint((0, 0, 0)) == (1.5, 2, 3)
    assert last.result.provenance == {"settings": job.settings.to_dict(), "names": ["Head CT", "Head MR"]}
    assert last.result.warnings == ["a warning"]
    assert list(temporary_folder.iterdir()) == []


def test_nothing_follows_the_end(job):
    worker = started(job, "negate")
    all_events(worker)
    assert worker.poll() == []
    assert worker.cancel() == []


def test_what_a_library_prints_is_no_event(job):
    assert isinstance(all_events(started(job, "chatter"))[-1], ResultEvent)


def test_a_refusal_is_told_in_its_own_words(job, temporary_folder):
    assert all_events(started(job, "refuse")) == [ErrorEvent("'Head CT' cannot be fused; select another volume.")]
    assert list(temporary_folder.iterdir()) == []


def test_a_failure_nobody_foresaw_is_one_sentence_with_its_traceback_for_the_log(job, temporary_folder):
    (event,) = all_events(started(job, "fail"))
    assert event.message == "The fusion process ended unexpectedly (exit code 1): RuntimeError: the disk is full"
    assert "Traceback" in event.details
    assert list(temporary_folder.iterdir()) == []


@posix_only
def test_a_crash_is_one_sentence(job, temporary_folder):
    (event,) = all_events(started(job, "crash"))
    assert event.message.startswith("The fusion process crashed") and "\n" not in event.message
    assert list(temporary_folder.iterdir()) == []


@posix_only
def test_a_process_killed_by_the_system_ran_out_of_memory(job, temporary_folder):
    (event,) = all_events(started(job, "be_killed"))
    assert "memory ran out" in event.message
    assert list(temporary_folder.iterdir()) == []


@posix_only
def test_a_process_that_aborts_after_its_result_has_succeeded(job):
    assert isinstance(all_events(started(job, "abort_after_the_result"))[-1], ResultEvent)


def test_polling_does_not_wait(job):
    worker = started(job, "work_for_long")
    first_progress(worker)
    before = time.monotonic()
    assert worker.poll() == []
    assert time.monotonic() - before < 0.1
    worker.cancel()


@pytest.mark.parametrize("task", ["work_for_long", pytest.param("refuse_to_end", marks=posix_only)])
def test_a_cancelled_process_ends_within_two_seconds(job, temporary_folder, task):
    worker = started(job, task)
    assert first_progress(worker) == ProgressEvent("work", 0, 0)
    before = time.monotonic()
    assert worker.cancel() == [CancelledEvent()]
    assert time.monotonic() - before < 2
    assert list(temporary_folder.iterdir()) == []
    assert worker.poll() == []


@posix_only
def test_cancelling_ends_the_processes_that_the_child_started(job, is_running, ends):
    worker = started(job, "start_another_process")
    helper = int(first_progress(worker).stage)
    assert is_running(helper)
    worker.cancel()
    assert ends(helper)


@posix_only
def test_an_interpreter_behind_a_launcher_is_cancelled_too(job, tmp_path, ends):
    launcher = tmp_path / "PythonLauncher"
    launcher.write_text(f'#!/bin/sh\necho "launcher says hello"\n"{sys.executable}" "$@"\nexit $?\n')
    launcher.chmod(0o755)
    worker = started(job, "start_another_process", python=str(launcher))
    helper = int(first_progress(worker).stage)
    worker.cancel()
    assert ends(helper)


def test_the_child_has_the_environment_of_the_host_and_a_folder_of_its_own(job, monkeypatch, temporary_folder):
    monkeypatch.setenv("A_SETTING_OF_THE_HOST", "kept")
    setting, folder, scratch, *_, last = all_events(started(job, "show_environment"))
    assert setting.stage == "kept"
    assert Path(folder.stage).parent == temporary_folder
    assert Path(scratch.stage).parent == Path(folder.stage)
    assert isinstance(last, ResultEvent)
    assert list(temporary_folder.iterdir()) == []


def test_an_interpreter_that_cannot_be_started_is_told_and_leaves_nothing(job, temporary_folder):
    with pytest.raises(InputError, match="could not be started"):
        started(job, "negate", python=str(temporary_folder / "no-such-python"))
    assert list(temporary_folder.iterdir()) == []


def test_files_that_cannot_be_written_are_told(job, temporary_folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("CSAFusionLib.worker.launch.save_job", full)
    with pytest.raises(InputError, match="No space left on device"):
        started(job, "negate")
    assert list(temporary_folder.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_an_abandoned_worker_leaves_neither_files_nor_a_process(job, temporary_folder, ends):
    worker = started(job, "work_for_long")
    first_progress(worker)
    process_id = worker._child._process.pid
    del worker
    gc.collect()
    assert list(temporary_folder.iterdir()) == []
    assert ends(process_id)


@posix_only
def test_a_job_whose_launcher_is_killed_ends_with_what_the_launcher_started(job, tmp_path, ends):
    launcher = tmp_path / "PythonLauncher"
    launcher.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n')
    launcher.chmod(0o755)
    worker = started(job, "start_another_process", python=str(launcher))
    helper = int(first_progress(worker).stage)
    os.kill(worker._child._process.pid, signal.SIGKILL)
    assert isinstance(all_events(worker, seconds=10)[-1], ErrorEvent)
    assert ends(helper)


@posix_only
def test_a_job_ends_with_a_host_that_is_killed_and_its_folder_is_removed(tmp_path, temporary_folder, ends):
    folder = tmp_path / "temporary"
    folder.mkdir()
    code = (
        "import sys, time, tempfile, numpy, SimpleITK as sitk; sys.path[:0] = sys.argv[1:2]; import test_launch as t;"
        "tempfile.tempdir = sys.argv[2]; v = t.Volume(sitk.GetImageFromArray(numpy.zeros((2, 3, 4), 'f4')), 'A');"
        "worker = t.started(t.Job(v, v, t.FusionSettings()), 'start_another_process');"
        "print(worker._child._process.pid, t.first_progress(worker).stage, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(folder)]
    host = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2], stdout=subprocess.PIPE, text=True)
    with host.stdout as lines:
        pids = [int(word) for word in lines.readline().split()]
    host.kill()
    host.wait()
    assert all(ends(pid) for pid in pids)
    deadline = time.monotonic() + 5
    while list(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(folder.iterdir()) == []


def test_a_disk_without_room_for_the_job_is_told_and_leaves_nothing(job, temporary_folder, limited_files):
    with limited_files(100), pytest.raises(InputError, match="could not be started .*free disk space"):
        started(job, "negate")
    assert list(temporary_folder.iterdir()) == []
