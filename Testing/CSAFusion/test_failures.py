"""Whatever fails, the panel says one sentence, the inputs stay as they are, and the next run works."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.panel.choices import WeightsChoice
from Testing.host.application import raise_errors
from Testing.host.fixtures import pump
from Testing.host.scene import snapshot


def untouched(before: dict) -> dict:
    """The part of a snapshot that no failed run may change."""
    return {key: state for key, state in before.items() if "Volume" in key}


def run_and_hear(panel, *, meanwhile=lambda: None) -> str:
    panel.ui.applyButton.click()
    raise_errors()
    meanwhile()
    pump(lambda: not panel.logic.isRunning)
    return panel.ui.statusLabel.text


@pytest.fixture
def next_run_works(panel, child_does, temporary_folder):
    """Checked after each test: nothing is left over, and a run succeeds."""
    before = untouched(snapshot())
    yield
    after = untouched(snapshot())
    assert {key: after.get(key) for key in before} == before and list(temporary_folder.iterdir()) == []
    assert set(after) == set(before) or panel._parameterNode.fusedVolume is not None
    panel._parameterNode.weights = WeightsChoice.AUTOMATIC
    child_does("negate")
    assert run_and_hear(panel) == "Done: 'F + M fused'."


pytestmark = pytest.mark.usefixtures("next_run_works")


def one_sentence(text: str) -> bool:
    return bool(text) and "\n" not in text and len(text) < 250


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("refuse", "'F' cannot be fused; select another volume."),
        ("fail", "the disk is full"),
        ("crash", "try again with the device set to CPU"),
        ("be_killed", "memory ran out"),
    ],
)
def test_a_child_that_fails_is_told(panel, child_does, task, said):
    child_does(task)
    text = run_and_hear(panel)
    assert said in text and one_sentence(text)


def test_a_worker_killed_in_mid_run_is_told(panel, child_does):
    child_does("work_for_long")

    def kill():
        pump(lambda: panel.ui.statusLabel.text == "work")
        os.kill(panel.logic._job._worker._child._process.pid, signal.SIGKILL)

    text = run_and_hear(panel, meanwhile=kill)
    assert "The system stopped the fusion process" in text and one_sentence(text)


def test_a_full_disk_is_told(panel, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr("CSAFusionLib.worker.launch.save_job", full)
        text = run_and_hear(panel)
    assert "No space left on device" in text and "free disk space" in text and one_sentence(text)


def test_a_missing_pytorch_is_told(panel, monkeypatch):
    with monkeypatch.context() as context:
        context.setattr("CSAFusionLib.slicer_host.dependencies.is_installed", lambda name: name != "torch")
        text = run_and_hear(panel)
    assert text.startswith("PyTorch is missing; install the extension 'PyTorch'") and one_sentence(text)


def test_corrupted_weights_are_told(panel, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00not a header at all")
    panel._parameterNode.method = Method.NONE
    panel._parameterNode.weightsFile = Path(broken)
    panel._parameterNode.weights = WeightsChoice.FILE
    text = run_and_hear(panel)
    assert "broken.safetensors" in text and one_sentence(text)


def test_a_graphics_card_out_of_memory_is_told_with_the_result(panel, child_does):
    child_does("negate_after_memory_ran_out")
    run_and_hear(panel)
    assert "Memory ran out on cuda; went on with the CPU" in panel.ui.warningLabel.text
