"""Processes that can be ended together with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

GROUP: dict[str, Any] = {
    # What is started may be a launcher with the program below it: a group of their own lets both be ended.
    "start_new_session": True,
    "creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0),
}
"""What ``subprocess.Popen`` needs to be told, for :func:`end_tree` to reach everything."""


def end_tree(process: subprocess.Popen[Any], *, by_force: bool) -> None:
    """Ask a process that was started with ``GROUP`` and all below it to end, or end them; does not wait for it."""
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)],
            capture_output=True,
            check=False,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
    else:
        try:
            os.killpg(process.pid, signal.SIGKILL if by_force else signal.SIGTERM)
        except ProcessLookupError:
            return
