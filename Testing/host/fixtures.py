"""Fixtures of the tests that work on a scene; a folder's conftest.py imports what it needs."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import pytest

# Slicer's MRML libraries (slicer-core) are on PyPI for some systems only; elsewhere these tests cannot be collected.
WITHOUT_SLICER = [] if importlib.util.find_spec("slicer") else ["test_*.py"]
CHILD_TASKS = Path(__file__).resolve().parents[1] / "worker"


@pytest.fixture(autouse=True)
def scene(monkeypatch):
    """A fresh scene where Slicer's modules look for it; nothing of it outlives the test."""
    import slicer

    scene = slicer.vtkMRMLScene()
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    yield scene
    scene.Clear(True)


@pytest.fixture
def temporary_folder(tmp_path, monkeypatch) -> Path:
    """Where the workers of a test make their folders; the child finds the tasks of Testing/worker."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(CHILD_TASKS))
    return folder
