"""Volumes to register, and Slicer's programs that do it. (Stand-ins of the programs.)"""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from Testing.host.fixtures import WITHOUT_SLICER

collect_ignore_glob = WITHOUT_SLICER


class AtOnce:
    """In place of a thread: done when asked to."""

    def __init__(self, threads: int) -> None:
        pass

    def submit(self, task, *arguments) -> Future:
        done: Future = Future()
        done.set_result(task(*arguments))
        return done

    def shutdown(self, wait: bool) -> None:
        pass


@pytest.fixture(autouse=True)
def prepared_at_once(monkeypatch):
    """The programs start with the registration; a test may still ask for the thread."""
    monkeypatch.setattr("CSAFusionLib.slicer_host.engines.base.ThreadPoolExecutor", AtOnce)


@pytest.fixture
def pair():
    """Volumes of two nodes of the user's, the moving one under a transform."""
    from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
    from Testing.host.scene import a_blob_node, a_linear_transform_node, rotation

    fixed = a_blob_node("F")
    moving = a_blob_node("M", parent=a_linear_transform_node(rotation(20)), seed=1)
    return volume_from_node(fixed), volume_from_node(moving)


@pytest.fixture
def brainsfit(monkeypatch):
    from Testing.host.command_line_modules import install_brainsfit

    return install_brainsfit(monkeypatch)


@pytest.fixture
def slicer_ants(monkeypatch):
    from Testing.host.registration_extensions import install_slicer_ants

    return install_slicer_ants(monkeypatch)


@pytest.fixture
def elastix(monkeypatch, tmp_path):
    from Testing.host.registration_extensions import install_slicer_elastix

    return install_slicer_elastix(monkeypatch, tmp_path / "Elastix")
