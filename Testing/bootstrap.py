"""The two commands of the README, on a machine that has only Python 3.10 or newer.

    python3 Testing/bootstrap.py demo     set up .venv and run the demo
    python3 Testing/bootstrap.py tests    set up .venv and run linter, type checker and tests

Everything goes into the folder .venv of this checkout; delete it to undo the set-up.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
PROGRAMS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
PYTHON = PROGRAMS / ("python.exe" if os.name == "nt" else "python")

# Slicer's and Qt's libraries get a process of their own, as in Slicer, where ITK, elastix and ANTs run outside it:
# now and then one process with all of them crashed in the midst of the tests.
SLICER_TESTS = ["Testing/CSAFusion", "Testing/host", "Testing/slicer_host"]

JOBS: dict[str, tuple[str, list[list[str]]]] = {
    "demo": ("demo", [["-m", "CSAFusionLib.cli", "demo"]]),
    "tests": (
        "ants,batch,bids,demo,elastix,evaluate,slurm,train,test",
        [
            ["-m", "ruff", "check", "."],
            ["-m", "ruff", "format", "--check", "."],
            ["-m", "mypy"],
            ["-m", "pytest", *SLICER_TESTS],
            ["-m", "pytest", *(f"--ignore={folder}" for folder in SLICER_TESTS)],
        ],
    ),
}


def main() -> int:
    """Set up the environment and run one job; returns the exit code of the first step that fails, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    extras, steps = JOBS[parser.parse_args().job]
    if sys.version_info < (3, 10):  # noqa: UP036 (this file is what an older one is started on)
        parser.error(f"Python 3.10 or newer is needed; this is {sys.version.split()[0]}.")
    if find_spec("ensurepip") is None:
        parser.error("this Python cannot make environments; on Debian and Ubuntu: sudo apt install python3-venv")
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    install = ["-m", "pip", "install", "--quiet", "--constraint", "constraints.txt", "--editable", f".[{extras}]"]
    print(f"Setting up {ENVIRONMENT} (a few minutes the first time) ...", flush=True)
    return next(filter(None, map(run, [install, *steps])), 0)


def run(arguments: list[str]) -> int:
    """Run the environment's Python in the checkout and return its exit code."""
    return subprocess.run([str(PYTHON), *arguments], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
