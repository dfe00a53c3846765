"""The process that ends a child when its parent is no more: ``python -m CSAFusionLib.watchman PROCESS_ID FOLDER``.

Its standard input is held open by the parent, and ends with it however that ends, on every system. The child could not
watch for it: while ANTs or elastix work, no other thread of it runs. A parent that is done with its child ends this
process first.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from CSAFusionLib.processes import end_tree

_SECONDS_TO_DIE = 5.0


def watch(lifeline: int, process_id: int, folder: Path) -> None:
    """Wait until a pipe's other end is closed, then end a process with all it started and remove its folder."""
    while os.read(lifeline, 1):
        pass
    end_tree(process_id, by_force=True)
    deadline = time.monotonic() + _SECONDS_TO_DIE
    # What is being killed may still write, and Windows removes no folder that a process is in.
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


if __name__ == "__main__":
    watch(0, int(sys.argv[1]), Path(sys.argv[2]))
