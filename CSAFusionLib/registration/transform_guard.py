"""Try in a process of its own whether a transform file can be read: ITK's readers can crash or hang on a damaged one.

The process is this module, run with the path: it ends with 0 when ITK has read the file, with another code when not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from CSAFusionLib.processes import ModuleProcess

SECONDS = 30.0
"""What reading may take; a displacement field of 500 MiB takes a few seconds."""


def can_be_read(path: Path, seconds: float = SECONDS) -> bool:
    """Tell whether ITK reads a transform file, without a crash and in time; takes half a second, most of it to start.

    Raises OSError where no process can be started.
    """
    child = ModuleProcess(
        "CSAFusionLib.registration.transform_guard",
        str(path.absolute()),
        paths=sys.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return child.wait(seconds) and child.returncode == 0
    finally:
        child.dismiss()


def _read(path: str) -> int:
    import SimpleITK as sitk

    try:
        sitk.ReadTransform(path)
    except RuntimeError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_read(sys.argv[1]))
