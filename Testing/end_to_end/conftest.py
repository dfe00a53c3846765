"""The command line as a user meets it, and files to run it on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner, Result

from CSAFusionLib.cli.main import app

Command = Callable[..., Result]


@pytest.fixture
def csafusion() -> Command:
    """Run ``csafusion`` with these words; a mistake of the program fails the test instead of hiding in an exit code."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)

    return run


@pytest.fixture
def heads(tmp_path: Path) -> tuple[Path, Path]:
    """Two small MR-like volumes of one head on one grid, as files."""
    z, y, x = np.meshgrid(np.linspace(-1, 1, 10), np.linspace(-1, 1, 40), np.linspace(-1, 1, 36), indexing="ij")
    inside = x**2 + y**2 + z**2 < 0.9
    core = x**2 + (y - 0.2) ** 2 + z**2 < 0.2
    paths = tmp_path / "t1.nii.gz", tmp_path / "t2.nrrd"
    for seed, (path, brightness) in enumerate(zip(paths, ((600, 300), (250, 700)), strict=True)):
        noise = np.random.default_rng(seed).normal(0, 20, z.shape)
        voxels = np.where(core, brightness[1], brightness[0]) * inside + np.abs(noise)
        image = sitk.GetImageFromArray(voxels.astype(np.float32))
        image.SetSpacing((2.0, 2.0, 5.0))
        sitk.WriteImage(image, str(path))
    return paths
