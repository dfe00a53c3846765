"""``csafusion demo``, with the T1 at half its resolution so that it takes seconds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import SimpleITK as sitk

from CSAFusionLib.demo import brain
from CSAFusionLib.geometry.grid import same_grid


@pytest.fixture
def a_coarse_t1(monkeypatch: pytest.MonkeyPatch, weights_file: Path) -> sitk.Image:
    coarse = sitk.Shrink(brain.read_t1(), [2, 2, 2])
    monkeypatch.setattr("CSAFusionLib.cli.development.demo.read_t1", lambda: coarse)
    monkeypatch.setattr("CSAFusionLib.fusion.weight_maps.choose_weights", lambda a, b: str(weights_file))
    return coarse


def test_the_demo_finds_the_known_movement_and_fuses_in_colour(
    csafusion: Callable, a_coarse_t1: sitk.Image, tmp_path: Path
) -> None:
    result = csafusion("demo", "-o", tmp_path / "demo")
    assert result.exit_code == 0, result.stderr
    names = ["fused.nii.gz", "fused.png", "pet_simulated.nii.gz", "provenance.json", "t1.nii.gz", "transform.tfm"]
    assert sorted(file.name for file in (tmp_path / "demo").iterdir()) == names
    fused = sitk.ReadImage(str(tmp_path / "demo" / "fused.nii.gz"))
    assert same_grid(fused, a_coarse_t1)
    assert fused.GetPixelID() == sitk.sitkVectorUInt8
    assert "REAL: the MNI152 T1 template" in result.stdout
    assert "SIMULATED: the PET." in result.stdout
    found = re.search(r"error over the brain: mean (\S+) mm, largest (\S+) mm", result.stdout)
    assert found is not None
    assert float(found[1]) < 1
    assert float(found[2]) < 2


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(csafusion: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = csafusion("demo", "-o", tmp_path / "file")
    assert refused.exit_code == 2
    assert "is not a folder" in refused.stderr
    missing = csafusion("demo", "-o", tmp_path / "no" / "demo")
    assert missing.exit_code == 2
    assert "does not exist" in missing.stderr
