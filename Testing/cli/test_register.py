"""How ``csafusion register`` passes its options on; what comes of them is tested where it is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from CSAFusionLib.cli.main import app
from CSAFusionLib.registration.engines.brainsfit import EXECUTABLE_VARIABLE
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.registration import Registration


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the registration was asked for, which gives no motion at once."""
    words: dict[str, Any] = {}

    def find_nothing(fixed, moving, method: Method, model: TransformModel, **more) -> Registration:
        words.update(method=method, model=model, **more)
        return Registration(sitk.Euler3DTransform(), method, model, 0.0)

    monkeypatch.setattr("CSAFusionLib.fusion.known_registration.register", find_nothing)
    monkeypatch.setenv(EXECUTABLE_VARIABLE, "as it was")
    return words


def _register(folder: Path, *options: str) -> None:
    for name in ("fixed.nrrd", "moving.nrrd"):
        voxels = np.random.default_rng(0).normal(size=(9, 10, 11)).astype(np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / name))
    files = [str(folder / name) for name in ("fixed.nrrd", "moving.nrrd")]
    result = CliRunner().invoke(app, ["register", *files, "--transform", str(folder / "t.h5"), "--overwrite", *options])
    assert result.exit_code == 0, result.output


def test_it_is_repeatable_unless_all_threads_are_asked_for(asked, tmp_path: Path) -> None:
    _register(tmp_path)
    assert (asked["threads"], asked["seed"]) == (None, 0)
    _register(tmp_path, "--all-threads")
    assert asked["threads"] == os.cpu_count()


def test_the_articles_sequence_is_a_model_of_ants(asked, tmp_path: Path) -> None:
    _register(tmp_path, "--method", "ants", "--model", "rigid_affine_syn")
    assert (asked["method"], asked["model"]) == (Method.ANTS, TransformModel.RIGID_AFFINE_SYN)


def test_the_executable_of_brainsfit_can_be_named(asked, tmp_path: Path) -> None:
    _register(tmp_path)
    assert os.environ[EXECUTABLE_VARIABLE] == "as it was"
    _register(tmp_path, "--method", "brains", "--brainsfit", "/opt/BRAINSFit")
    assert os.environ[EXECUTABLE_VARIABLE] == "/opt/BRAINSFit"
