"""Tests of what runs in elastix' own process, here in a process of the test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _printed_by(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_importing_the_engine_does_not_import_itk() -> None:
    code = "import sys, CSAFusionLib.registration.engines.elastix; print('itk' in sys.modules)"
    assert _printed_by(code) == "False"


def test_only_the_parts_of_itk_that_it_needs_are_loaded() -> None:
    pytest.importorskip("itkConfig", reason="itk-elastix is not installed")
    module = "CSAFusionLib.registration.engines.elastix_child"
    code = f"import sys, {module}; print('itk.itkMedianImageFilterPython' in sys.modules)"
    assert _printed_by(code) == "False"
