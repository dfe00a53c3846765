"""Fixtures of the tests that work on a scene; a folder's conftest.py imports what it needs."""

from __future__ import annotations

import gc
import importlib.util
import sys
import tempfile
import time
from pathlib import Path

import pytest

# Slicer's MRML libraries (slicer-core) are on PyPI for some systems only; elsewhere these tests cannot be collected.
WITHOUT_SLICER = [] if importlib.util.find_spec("slicer") else ["test_*.py"]
if not WITHOUT_SLICER:
    import Testing.host.translation  # noqa: F401 (what the tests import needs it)
CHILD_TASKS = Path(__file__).resolve().parents[1] / "worker"


@pytest.fixture(autouse=True)
def scene(monkeypatch):
    """A fresh scene where Slicer's modules look for it; nothing of it, and no widget, outlives the test."""
    import slicer

    scene = slicer.vtkMRMLScene()
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    # The collector runs in whichever thread is at work, where no widget and no node may die.
    gc.disable()
    yield scene
    if "Testing.host.pythonqt" in sys.modules:
        sys.modules["Testing.host.pythonqt"].destroy_all()
    scene.Clear(True)
    gc.enable()


@pytest.fixture
def temporary_folder(tmp_path, monkeypatch) -> Path:
    """Where the workers of a test make their folders; the child finds the tasks of Testing/worker."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(CHILD_TASKS))
    return folder


@pytest.fixture
def application(scene):
    """What the panel runs in; it notes what a user sees and answers as the test sets it."""
    from Testing.host.application import Application

    application = Application()
    yield application
    application.end()
    # What only waits for the garbage collector goes now, in this thread.
    gc.collect()


@pytest.fixture
def module(monkeypatch, application, temporary_folder):
    """The module file, executed as Slicer does; an exception that Qt would swallow fails the test."""
    from Testing.host.application import load_module, raise_errors

    yield load_module(monkeypatch, application)
    raise_errors()


@pytest.fixture
def volumes(scene):
    """Two volumes of the user's; the first has the finer grid."""
    from Testing.host.scene import LEFT_HANDED, a_blob_node

    return a_blob_node("F"), a_blob_node("M", LEFT_HANDED, seed=1)


@pytest.fixture
def panel(module, volumes, monkeypatch):
    """The open panel, with two volumes in the scene; it does not ask what devices there are."""
    from Testing.host.application import open_panel

    monkeypatch.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
    panel = open_panel(module)
    yield panel
    panel.cleanup()


@pytest.fixture
def batches(monkeypatch):
    """Stand-ins for the processes of batches; nothing has to be installed for them."""
    from Testing.host.batches import Batches

    batches = Batches()
    monkeypatch.setattr("CSAFusionLib.slicer_host.batch.process_of", batches.make)
    monkeypatch.setattr("CSAFusionLib.slicer_host.dependencies.missing_from", lambda files, with_torch=True: [])
    return batches


@pytest.fixture
def child_does(monkeypatch):
    """Choose what the child process does in place of the fusion."""
    from CSAFusionLib.slicer_host import fusion_job
    from CSAFusionLib.worker.launch import WorkerProcess

    def choose(task: str) -> None:
        def start(job):
            worker = WorkerProcess(job, task=f"child_tasks:{task}")
            worker.start()
            return worker

        monkeypatch.setattr(fusion_job, "start_worker", start)

    return choose


def pump(until, seconds: float = 60) -> None:
    """Let Slicer's event loop run until something has happened."""
    import slicer

    from Testing.host.application import raise_errors

    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it takes too long"
        slicer.app.processEvents()
        raise_errors()
        time.sleep(0.01)
