"""Tests of ending a process with all it started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from CSAFusionLib.processes import GROUP, end_tree

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_what_a_process_started_ends_with_it(is_running: Callable[[int], bool], ends: Callable[[int], bool]) -> None:
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, **GROUP)
    assert process.stdout is not None
    with process.stdout as lines:
        started = int(lines.readline())
    assert is_running(started)
    end_tree(process, by_force=True)
    process.wait(2)
    assert ends(started)


def test_a_process_that_has_ended_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], **GROUP)
    process.wait()
    end_tree(process, by_force=True)
    assert process.returncode == 0
