"""What workers of their own are asked to do in the tests, instead of a fusion."""

from __future__ import annotations

import os
import time
from pathlib import Path

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.layout import CASE_FORMAT, Record


def wait_for_leave(case: Case, folder: Path) -> Record:
    """Say which process does the case, and do it once there is leave to."""
    (folder / f"{case.name}.{os.getpid()}.begun").touch()
    while not (folder / "leave").exists():
        time.sleep(0.02)
    return Record(folder / f"{case.name}.json", {"name": case.name, "format": CASE_FORMAT, "pid": os.getpid()})


def die(case: Case) -> Record:
    """End this process as a lack of memory would."""
    os.kill(os.getpid(), 9)
    raise AssertionError
