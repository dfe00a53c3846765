"""Tests of the process that ends a child when its parent is no more."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from CSAFusionLib.processes import GROUP, watch


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
