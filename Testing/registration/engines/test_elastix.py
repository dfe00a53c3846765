"""Tests of the engine that runs elastix in a process of its own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled, RegistrationError
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.engines import elastix as elastix_engine
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.preparation import head_points
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.transforms import read_transform, write_transform
from CSAFusionLib.volumes.reading import read_volume

needs_elastix = pytest.mark.skipif(importlib.util.find_spec("itk") is None, reason="itk-elastix is not installed")


@needs_elastix
def test_a_rigid_motion_is_recovered_from_a_left_handed_far_header(a_head, moved, temporary_folder: Path) -> None:
    place = (3000.0, -2000.0, 5000.0)
    truth = sitk.Euler3DTransform(place, 0.05, 0.0, 0.08, (4.0, 3.0, -5.0))
    fixed = a_head("T1", direction=np.diag([-1.0, 1.0, 1.0]), middle=place)
    moving = moved(a_head("T2", middle=place), truth)
    found, again = (elastix_engine.run(fixed, moving, TransformModel.RIGID, seed=5) for _ in range(2))
    assert isinstance(found, sitk.Euler3DTransform)
    assert target_registration_error(found, truth, head_points(fixed)).mean() < 0.5
    assert found.GetParameters() == again.GetParameters()
    assert not list(temporary_folder.iterdir())


@needs_elastix
def test_an_affine_motion_is_recovered(a_head) -> None:
    # Axes of a header have unit length, so the scale goes into the spacing.
    fixed, moving = a_head("T1"), a_head("T2")
    moving.SetSpacing((3.15, 3.0, 2.88))
    moving.SetOrigin((np.array(moving.GetOrigin()) * (1.05, 1.0, 0.96)).tolist())
    truth = sitk.AffineTransform(np.diag([1.05, 1.0, 0.96]).ravel().tolist(), (0.0, 0.0, 0.0))
    found = elastix_engine.run(fixed, moving, TransformModel.AFFINE)
    assert isinstance(found, sitk.AffineTransform)
    # The best rigid transform is 1.6 mm off.
    assert target_registration_error(found, truth, head_points(fixed)).mean() < 0.8


@needs_elastix
def test_a_bend_is_recovered_and_its_transform_survives_a_file(a_head, moved, a_rigid_motion, tmp_path: Path) -> None:
    upright = a_head("T1")
    bend = sitk.BSplineTransformInitializer(upright, (3, 3, 3))
    bend.SetParameters(np.random.default_rng(0).normal(scale=4.0, size=len(bend.GetParameters())).tolist())
    fixed = sitk.Resample(upright, bend, sitk.sitkLinear, 0.0)
    truth = sitk.CompositeTransform([a_rigid_motion, bend])
    found = elastix_engine.run(fixed, moved(a_head("T2"), a_rigid_motion), TransformModel.BSPLINE)
    points = head_points(fixed)
    # Undoing the rigid motion alone leaves 2 mm.
    assert target_registration_error(a_rigid_motion, truth, points).mean() > 2.0
    assert target_registration_error(found, truth, points).mean() < 1.2
    write_transform(found, tmp_path / "bend.h5")
    np.testing.assert_array_less(target_registration_error(read_transform(tmp_path / "bend.h5"), found, points), 1e-6)


@needs_elastix
def test_cancelling_leaves_no_process_and_no_file(a_pair, temporary_folder: Path, started) -> None:
    def cancel_once_elastix_runs(stage: str, done: int, total: int) -> None:
        if started:
            raise Cancelled

    fixed, moving = (volume.image for volume in a_pair)
    with pytest.raises(Cancelled):
        elastix_engine.run(fixed, moving, TransformModel.RIGID, progress=cancel_once_elastix_runs)
    assert started[0].poll() is not None
    assert not list(temporary_folder.iterdir())


@needs_elastix
def test_a_failure_of_elastix_is_told_in_one_sentence(a_pair, temporary_folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(elastix_engine, "find_start", lambda *_, **__: sitk.Euler3DTransform())
    monkeypatch.setattr(json, "dumps", lambda stages: '[{"Transform": ["NoSuchTransform"]}]')
    fixed, moving = (volume.image for volume in a_pair)
    with pytest.raises(RegistrationError, match="elastix could not register the two volumes"):
        elastix_engine.run(fixed, moving, TransformModel.RIGID)
    assert not list(temporary_folder.iterdir())


def test_without_itk_elastix_it_says_how_to_install_it(a_pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(package: str) -> None:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "distribution", find_nothing)
    with pytest.raises(RegistrationError, match="pip install itk-elastix"):
        register(*a_pair, Method.ELASTIX)


@needs_elastix
def test_a_real_t1_and_t2_of_one_visit_agree_with_the_measured_truth(shared_data: Path) -> None:
    folder = shared_data / "volumes" / "open_ms"
    fixed, moving = (read_volume(folder / "patient12" / f"study1_{name}.nii.gz") for name in ("T1W", "T2W"))
    truth = read_transform(folder / "ground_truth" / "patient12_fixed-study1_T1W_moving-study1_T2W.tfm")
    found = register(fixed, moving, Method.ELASTIX, TransformModel.RIGID, threads=2).transform
    assert target_registration_error(found, truth, head_points(fixed.image)).mean() < 0.6
