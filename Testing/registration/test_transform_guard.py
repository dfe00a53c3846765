"""CSAFusionLib/registration/transform_guard.py."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import SimpleITK as sitk

from CSAFusionLib import processes
from CSAFusionLib.registration.transform_guard import can_be_read


def test_a_transform_can_be_read_and_text_that_is_none_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sitk.WriteTransform(sitk.Euler3DTransform(), "good.h5")
    Path("junk.tfm").write_text("no transform")
    assert can_be_read(Path("good.h5"))
    assert not can_be_read(Path("junk.tfm"))


@pytest.mark.parametrize("program", ["import os; os.abort()", "import time; time.sleep(60)"])
def test_a_reader_that_crashes_or_hangs_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(processes, "module_command", lambda *_, **__: [sys.executable, "-c", program])
    monkeypatch.setenv("PYTHONFAULTHANDLER", "")
    started = time.monotonic()
    assert not can_be_read(tmp_path / "a.tfm", seconds=1.0)
    assert time.monotonic() - started < 10
