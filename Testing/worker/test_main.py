"""The child's entry point, run by hand as the parent runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.worker import main as main_module
from CSAFusionLib.worker.job import Job, load_result, save_job

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, task: str) -> subprocess.CompletedProcess[str]:
    volume = Volume(sitk.GetImageFromArray(np.arange(8, dtype=np.float32).reshape(2, 2, 2)), "A")
    save_job(Job(volume, volume, FusionSettings()), folder)
    return subprocess.run(
        [sys.executable, "-m", "CSAFusionLib.worker.main", str(folder), f"child_tasks:{task}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_standard_output_holds_events_and_nothing_else(tmp_path):
    done = run(tmp_path, "chatter")
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events == ["progress"] * 3 + ["result"]
    assert "a library prints from Python" in done.stderr and "prints from C++" in done.stderr
    assert load_result(tmp_path).fused.GetSize() == (2, 2, 2)


def test_a_refusal_is_an_event_and_a_clean_exit(tmp_path):
    done = run(tmp_path, "refuse")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["message"] == "'A' cannot be fused; select another volume."


def test_a_failure_nobody_foresaw_is_a_traceback_and_an_exit_code(tmp_path):
    done = run(tmp_path, "fail")
    assert done.returncode == 1 and done.stdout == "" and "the disk is full" in done.stderr


def test_a_result_for_which_the_disk_has_no_room_is_a_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(main_module, "save_result", full)
    with pytest.raises(InputError, match=r"could not be handed back .*No space left.*free disk space"):
        main_module._hand_back(None, tmp_path)
