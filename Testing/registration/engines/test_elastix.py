"""Tests of the engine that runs elastix in a process of its own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled, RegistrationError
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.engines import elastix as elastix_engine
from CSAFusionLib.registration.engines.elastix import elastix_parameters
from CSAFusionLib.registration.preparation import head_points
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Method, TransformModel
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


def _image(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> sitk.Image:
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    return image


THICK_SLICES = _image((256, 256, 50), (1.0, 1.0, 3.0))
SLAB = _image((90, 90, 5), (2.0, 2.0, 1.0))


@pytest.mark.parametrize(
    ("model", "stages"),
    [
        (TransformModel.RIGID, ["Euler"]),
        (TransformModel.AFFINE, ["Euler", "Affine"]),
        (TransformModel.BSPLINE, ["Euler", "Affine", "BSpline"]),
    ],
)
def test_each_model_is_found_after_the_stiffer_ones(model: TransformModel, stages: list[str]) -> None:
    asked = elastix_parameters(THICK_SLICES, SLAB, model, seed=0)
    assert [stage["Transform"] for stage in asked] == [[f"{name}Transform"] for name in stages]


def test_axes_are_shrunk_to_voxels_of_one_width_and_thin_slabs_keep_their_slices() -> None:
    (asked,) = elastix_parameters(THICK_SLICES, SLAB, TransformModel.RIGID, seed=0)
    assert asked["FixedImagePyramidSchedule"] == ["4", "4", "1", "2", "2", "1", "1", "1", "1"]
    assert asked["MovingImagePyramidSchedule"] == ["2", "2", "1", "1", "1", "1", "1", "1", "1"]


@pytest.mark.parametrize("model", Method.ELASTIX.models)
def test_there_is_a_factor_for_each_axis_of_each_level_and_the_last_level_is_the_image_itself(
    model: TransformModel,
) -> None:
    for stage in elastix_parameters(THICK_SLICES, SLAB, model, seed=0):
        levels = int(stage["NumberOfResolutions"][0])
        for name in ("FixedImagePyramidSchedule", "MovingImagePyramidSchedule"):
            assert len(stage[name]) == 3 * levels
            assert stage[name][-3:] == ["1", "1", "1"]
        assert len(stage.get("GridSpacingSchedule", [""] * levels)) == levels


def test_no_seed_is_taken_for_the_clock() -> None:
    seeds = [elastix_parameters(SLAB, SLAB, TransformModel.RIGID, seed=seed)[0]["RandomSeed"] for seed in (0, 1)]
    assert "0" not in seeds[0] + seeds[1]
    assert seeds[0] != seeds[1]


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
