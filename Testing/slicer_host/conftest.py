"""A fresh MRML scene for every test."""

from __future__ import annotations

import pytest

slicer = pytest.importorskip("slicer", reason="slicer-core (Slicer's MRML libraries) is not installed")


@pytest.fixture(autouse=True)
def scene(monkeypatch):
    """The scene as Slicer's modules find it; nothing of it outlives the test."""
    scene = slicer.vtkMRMLScene()
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    yield scene
    scene.Clear(True)
