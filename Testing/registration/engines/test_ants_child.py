"""Tests of what runs in ANTs' own process, here in a process of the test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from CSAFusionLib.registration.methods import Method


def test_importing_the_engine_does_not_import_ants() -> None:
    code = "import sys, CSAFusionLib.registration.engines.ants; print('ants' in sys.modules)"
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_each_model_is_a_type_of_transform_of_its_own() -> None:
    child = pytest.importorskip("CSAFusionLib.registration.engines.ants_child", reason="antspyx is not installed")
    assert list(child._TYPES) == [model.name for model in Method.ANTS.models]
    assert len(set(child._TYPES.values())) == len(child._TYPES)
