"""Tests of the engine that matches landmarks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled, RegistrationError
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.engines import landmarks
from CSAFusionLib.registration.methods import TransformModel
from CSAFusionLib.registration.preparation import head_points
from CSAFusionLib.registration.transforms import read_transform, write_transform


def _mean_error(found: sitk.Transform, truth: sitk.Transform, fixed: sitk.Image) -> float:
    return float(target_registration_error(found, truth, head_points(fixed)).mean())


@pytest.fixture(scope="module")
def local_shear() -> sitk.DisplacementFieldTransform:
    """Shears a part of the head: along x, up to 5 mm one way above its middle and the other way below."""
    grid = np.stack(np.meshgrid(*[np.linspace(-120, 120, 41)] * 3, indexing="ij"), axis=-1)[..., ::-1]
    places = (grid - (20, 30, 0)) / 30
    shift = 5 * places[..., 2:] * np.exp((1 - np.sum(places**2, axis=-1, keepdims=True)) / 2) * (1.0, 0.0, 0.0)
    field = sitk.GetImageFromArray(shift, isVector=True)
    field.SetSpacing([6.0] * 3)
    field.SetOrigin([-120.0] * 3)
    return sitk.DisplacementFieldTransform(field)


@pytest.fixture(scope="module")
def a_pair(a_folded_head, moved, a_rigid_motion) -> tuple[sitk.Image, sitk.Image]:
    """A fixed T1 and a moving T2 head, the latter placed by the rigid motion, which is thus the truth."""
    return a_folded_head("T1"), moved(a_folded_head("T2"), a_rigid_motion)


@pytest.fixture(scope="module")
def a_run(a_pair) -> tuple[sitk.Transform, list[tuple[int, int]]]:
    """What a rigid registration of the pair found, and what it reported on the way."""
    reports: list[tuple[int, int]] = []
    found = landmarks.run(*a_pair, TransformModel.RIGID, progress=lambda _, *counts: reports.append(counts))
    return found, reports


def test_a_rigid_motion_between_contrasts_is_recovered(a_run, a_pair, a_rigid_motion) -> None:
    found, _ = a_run
    assert isinstance(found, sitk.Euler3DTransform)
    assert _mean_error(found, a_rigid_motion, a_pair[0]) < 0.5


def test_a_left_handed_fixed_header_makes_no_difference(a_folded_head, a_pair, a_rigid_motion) -> None:
    fixed = a_folded_head("T1", direction=np.diag([-1.0, 1.0, 1.0]))
    found = landmarks.run(fixed, a_pair[1], TransformModel.RIGID)
    assert _mean_error(found, a_rigid_motion, fixed) < 0.5


def test_an_affine_motion_is_recovered(a_folded_head) -> None:
    # Axes of a header have unit length, so the scale goes into the spacing.
    fixed, moving = a_folded_head("T1"), a_folded_head("T2")
    moving.SetSpacing((3.15, 3.0, 2.88))
    moving.SetOrigin((np.array(moving.GetOrigin()) * (1.05, 1.0, 0.96)).tolist())
    truth = sitk.AffineTransform(3)
    truth.SetMatrix(np.diag([1.05, 1.0, 0.96]).ravel().tolist())
    found = landmarks.run(fixed, moving, TransformModel.AFFINE)
    assert isinstance(found, sitk.AffineTransform)
    # The best rigid transform is 1.6 mm off.
    assert _mean_error(found, truth, fixed) < 0.8


def test_a_local_shear_is_reduced_by_the_deformation_and_saved_with_it(a_folded_head, local_shear, tmp_path) -> None:
    moving = a_folded_head("T2")
    fixed = sitk.Resample(a_folded_head("T1"), local_shear)
    linear = landmarks.run(fixed, moving, TransformModel.AFFINE)
    found = landmarks.run(fixed, moving, TransformModel.BSPLINE)
    assert _mean_error(found, local_shear, fixed) < 0.7 * _mean_error(linear, local_shear, fixed)
    write_transform(found, tmp_path / "found.h5")
    assert _mean_error(read_transform(tmp_path / "found.h5"), found, fixed) < 1e-9


def test_a_far_origin_makes_no_difference(a_folded_head, moved) -> None:
    place = (3000.0, -2000.0, 5000.0)
    truth = sitk.Euler3DTransform(place, 0.05, 0.0, 0.08, (4.0, 3.0, -5.0))
    fixed = a_folded_head("T1", middle=place)
    found = landmarks.run(fixed, moved(a_folded_head("T2", middle=place), truth), TransformModel.RIGID)
    assert _mean_error(found, truth, fixed) < 0.5


def test_a_thin_slab_is_found_in_a_whole_head(a_folded_head, moved) -> None:
    truth = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.02, 0.06, (4.0, -3.0, 2.0))
    slab = moved(a_folded_head("T2", size=(90, 90, 8), spacing=(2.0, 2.0, 4.0)), truth)
    fixed = a_folded_head("T1")
    found = landmarks.run(fixed, slab, TransformModel.RIGID)
    shown = [point for point in head_points(fixed) if abs(point[2]) < 14]
    assert target_registration_error(found, truth, np.array(shown)).mean() < 1.5


def test_the_same_input_and_seed_give_the_same_transform(a_run, a_pair) -> None:
    again = landmarks.run(*a_pair, TransformModel.RIGID)
    assert again.GetParameters() == a_run[0].GetParameters()


def test_two_volumes_without_common_anatomy_are_refused_in_one_sentence(a_folded_head) -> None:
    fixed = a_folded_head("T1")
    noise = sitk.SmoothingRecursiveGaussian(sitk.AdditiveGaussianNoise(fixed * 0, 50.0, 0.0, 1), 4.0)
    with pytest.raises(RegistrationError, match="landmarks agree") as raised:
        landmarks.run(fixed, noise, TransformModel.RIGID)
    assert str(raised.value).count(".") == 1


def test_progress_runs_up_to_its_total(a_run) -> None:
    _, reports = a_run
    assert reports == sorted(reports)
    assert {done for done, _ in reports} == {0, 1, 2, 3}
    assert reports[-1] == (3, 3)


@pytest.mark.parametrize("stage", [0, 1, 3])
def test_it_stops_at_the_stage_at_which_it_is_cancelled(a_pair, stage: int) -> None:
    reports: list[int] = []

    def cancel(_: str, done: int, total: int) -> None:
        reports.append(done)
        if done == stage:
            raise Cancelled

    fixed, moving = a_pair
    with pytest.raises(Cancelled):
        landmarks.run(fixed, moving, TransformModel.BSPLINE, progress=cancel)
    assert reports.count(stage) == 1
    assert reports[-1] == stage


def test_torch_is_not_needed() -> None:
    asked = "import sys, CSAFusionLib.registration.engines.landmarks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
