"""Tests of what runs in ANTs' own process, here in a process of the test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_importing_the_engine_does_not_import_ants() -> None:
    code = "import sys, CSAFusionLib.registration.engines.ants; print('ants' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
