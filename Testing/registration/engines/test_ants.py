"""Tests of the engine that runs ANTs in a process of its own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled, RegistrationError
from CSAFusionLib.geometry.grid import coarsen
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.engines import ants as ants_engine
from CSAFusionLib.registration.preparation import head_points
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Method, TransformModel
from CSAFusionLib.registration.transforms import read_transform
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume

needs_ants = pytest.mark.skipif(importlib.util.find_spec("ants") is None, reason="antspyx is not installed")


@needs_ants
def test_a_rigid_motion_is_recovered_from_a_left_handed_far_header(a_head, moved, temporary_folder: Path) -> None:
    place = (3000.0, -2000.0, 5000.0)
    truth = sitk.Euler3DTransform(place, 0.05, 0.0, 0.08, (4.0, 3.0, -5.0))
    fixed = a_head("T1", direction=np.diag([-1.0, 1.0, 1.0]), middle=place)
    moving = moved(a_head("T2", middle=place), truth)
    environment = dict(os.environ)
    found, again = (ants_engine.run(fixed, moving, TransformModel.RIGID, seed=5) for _ in range(2))
    assert isinstance(found, sitk.Euler3DTransform)
    assert target_registration_error(found, truth, head_points(fixed)).mean() < 0.6
    assert found.GetParameters() == again.GetParameters()
    assert dict(os.environ) == environment
    assert not list(temporary_folder.iterdir())


@needs_ants
def test_a_deformable_transform_warps_as_ants_itself_does(a_head, moved, a_rigid_motion, monkeypatch) -> None:
    # ANTs' own result is kept by reading the child's files before they go.
    fixed = a_head("T1", size=(44, 50, 40), spacing=(4.0, 4.0, 4.0), direction=np.diag([-1.0, 1.0, 1.0]))
    moving = moved(a_head("T2", size=(46, 48, 42), spacing=(4.0, 4.0, 4.0)), a_rigid_motion)
    warped_by_ants: list[sitk.Image] = []
    read_result = ants_engine._read_result

    def read_and_warp(folder: Path, model: TransformModel, image: sitk.Image) -> sitk.Transform:
        warped_by_ants.append(_warp_with_ants(folder))
        return read_result(folder, model, image)

    monkeypatch.setattr(ants_engine, "_read_result", read_and_warp)
    found = ants_engine.run(fixed, moving, TransformModel.RIGID_AFFINE_SYN)
    ours = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, found, sitk.sitkLinear, 0.0))
    theirs = sitk.GetArrayFromImage(warped_by_ants[0])
    unmoved = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, sitk.Transform(), sitk.sitkLinear, 0.0))
    assert not found.IsLinear()
    assert np.abs(ours - theirs).mean() < 0.01
    assert np.abs(unmoved - theirs).mean() > 5


def _warp_with_ants(folder: Path) -> sitk.Image:
    import ants

    fixed, moving = (ants.from_sitk(sitk.ReadImage(str(folder / name))) for name in ("fixed.nrrd", "moving.nrrd"))
    files = [str(folder / name) for name in ("result1Warp.nii.gz", "result0GenericAffine.mat")]
    return ants.to_sitk(ants.apply_transforms(fixed, moving, files))


@needs_ants
def test_cancelling_leaves_no_process_and_no_file(a_pair, temporary_folder: Path, started) -> None:
    def cancel_once_ants_runs(stage: str, done: int, total: int) -> None:
        if started:
            raise Cancelled

    fixed, moving = (volume.image for volume in a_pair)
    with pytest.raises(Cancelled):
        ants_engine.run(fixed, moving, TransformModel.RIGID, progress=cancel_once_ants_runs)
    assert started[0].poll() is not None
    assert not list(temporary_folder.iterdir())


@needs_ants
def test_a_failure_of_ants_is_told_in_one_sentence(a_pair, temporary_folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(ants_engine, "hand_over", lambda *_: None)
    monkeypatch.setattr(ants_engine, "find_start", lambda *_, **__: sitk.Euler3DTransform())
    fixed, moving = (volume.image for volume in a_pair)
    with pytest.raises(RegistrationError, match="ANTs could not register"):
        ants_engine.run(fixed, moving, TransformModel.RIGID)
    assert not list(temporary_folder.iterdir())


def test_without_antspyx_it_says_how_to_install_it(a_pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(package: str) -> None:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "distribution", find_nothing)
    with pytest.raises(RegistrationError, match="pip install antspyx"):
        register(*a_pair, Method.ANTS)


@needs_ants
def test_a_real_t1_and_t2_of_one_visit_agree_with_the_measured_truth(shared_data: Path) -> None:
    folder = shared_data / "volumes" / "open_ms"
    files = (folder / "patient12" / f"study1_{name}.nii.gz" for name in ("T1W", "T2W"))
    # Half the resolution in the slices keeps the test short.
    fixed, moving = (Volume(coarsen(read_volume(file).image, 1.8), file.name) for file in files)
    truth = read_transform(folder / "ground_truth" / "patient12_fixed-study1_T1W_moving-study1_T2W.tfm")
    found = register(fixed, moving, Method.ANTS, TransformModel.RIGID, threads=2).transform
    assert target_registration_error(found, truth, head_points(fixed.image)).mean() < 1.0


def test_importing_the_engine_does_not_import_ants() -> None:
    code = "import sys, CSAFusionLib.registration.engines.ants; print('ants' in sys.modules)"
    root = Path(__file__).resolve().parents[3]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_each_model_is_a_type_of_transform_of_its_own() -> None:
    child = pytest.importorskip("CSAFusionLib.registration.engines.ants", reason="antspyx is not installed")
    assert list(child._TYPES) == [model.name for model in Method.ANTS.models]
    assert len(set(child._TYPES.values())) == len(child._TYPES)
