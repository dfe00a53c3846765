"""Registration by landmarks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled, RegistrationError
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.engines import landmarks
from CSAFusionLib.registration.engines.landmarks import Fit, agree, fit_affine, fit_rigid, smooth_deformation
from CSAFusionLib.registration.preparation import head_points
from CSAFusionLib.registration.registration import TransformModel
from CSAFusionLib.registration.transforms import read_transform, write_transform

# A quarter turn about z.
QUARTER = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
CLOUD = np.random.default_rng(0).normal(scale=50, size=(20, 3))


def test_a_quarter_turn_and_a_shift_are_found() -> None:
    motion = fit_rigid(CLOUD, CLOUD @ QUARTER.T + (1, 2, 3))
    np.testing.assert_allclose(motion.matrix, QUARTER, atol=1e-12)
    np.testing.assert_allclose(motion.shift, (1, 2, 3), atol=1e-10)
    np.testing.assert_allclose(motion(np.array([[10.0, 0, 0]])), [[1, 12, 3]], atol=1e-10)


def test_a_mirror_image_is_met_by_a_rotation_all_the_same() -> None:
    assert np.isclose(np.linalg.det(fit_rigid(CLOUD, CLOUD * (-1, 1, 1)).matrix), 1)


def test_points_in_one_plane_are_enough_for_a_rotation() -> None:
    flat = CLOUD * (1, 1, 0)
    np.testing.assert_allclose(fit_rigid(flat, flat @ QUARTER.T).matrix, QUARTER, atol=1e-12)


def test_scales_and_shears_are_found() -> None:
    matrix = np.array([[1.1, 0.2, 0.0], [0.0, 0.9, -0.1], [0.05, 0.0, 1.0]])
    motion = fit_affine(CLOUD, CLOUD @ matrix.T + (4, 5, 6))
    np.testing.assert_allclose(motion.matrix, matrix, atol=1e-12)
    np.testing.assert_allclose(motion.shift, (4, 5, 6), atol=1e-10)


def test_a_stack_of_sets_is_fitted_as_each_would_be_alone() -> None:
    sets = CLOUD.reshape(5, 4, 3)
    for fit in (fit_rigid, fit_affine):
        stack = fit(sets, sets @ QUARTER.T + 7)
        alone = fit(sets[2], sets[2] @ QUARTER.T + 7)
        np.testing.assert_allclose(stack.matrix[2], alone.matrix, atol=1e-9)
        np.testing.assert_allclose(stack.shift[2], alone.shift, atol=1e-7)


TURN = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
COUNT, OUTLIERS = 200, 80


def _matches() -> tuple[np.ndarray, np.ndarray]:
    """Known matches with half a millimetre of noise; of the first 40 % the targets are anywhere."""
    random = np.random.default_rng(0)
    points = random.uniform(-80, 80, size=(COUNT, 3))
    targets = points @ TURN.T + (5, -3, 8) + random.normal(scale=0.5, size=points.shape)
    targets[:OUTLIERS] += random.uniform(-60, 60, size=(OUTLIERS, 3))
    return points, targets


@pytest.mark.parametrize("fit", [fit_rigid, fit_affine])
def test_a_motion_is_recovered_from_matches_of_which_two_in_five_are_wrong(fit: Fit) -> None:
    points, targets = _matches()
    motion, agreeing = agree(points, targets, fit, tolerance_mm=3.0, seed=0)
    assert np.linalg.norm(motion(points) - (points @ TURN.T + (5, -3, 8)), axis=1).max() < 0.5
    assert agreeing[OUTLIERS:].all()
    assert agreeing[:OUTLIERS].sum() <= 2
    # A single fit to all of them is led astray.
    assert np.linalg.norm(fit(points, targets).shift - (5, -3, 8)) > 1


def test_the_same_seed_gives_the_same_motion() -> None:
    points, targets = _matches()
    first, again = (agree(points, targets, fit_rigid, tolerance_mm=3.0, seed=5)[0] for _ in range(2))
    assert (first.matrix == again.matrix).all()
    assert (first.shift == again.shift).all()


def test_among_matches_at_random_few_agree() -> None:
    random = np.random.default_rng(1)
    points = random.uniform(-80, 80, size=(COUNT, 3))
    _, agreeing = agree(
        points, points + random.uniform(-12, 12, size=points.shape), fit_rigid, tolerance_mm=4.0, seed=0
    )
    assert 4 <= agreeing.sum() < 0.2 * COUNT


POINTS = np.random.default_rng(0).uniform(-60, 60, size=(600, 3))


def _bump(points: np.ndarray) -> np.ndarray:
    """Up to 4 mm along x, within some 40 mm of the origin."""
    return np.exp(-np.sum(points**2, axis=1, keepdims=True) / (2 * 30**2)) * (4.0, 0.0, 0.0)


def _moved(deformation: sitk.Transform, points: np.ndarray) -> np.ndarray:
    return np.array([deformation.TransformPoint(point) for point in points.tolist()])


def _field(deformation: sitk.Transform) -> sitk.Image:
    spacing, size = 6.0, 60
    start = -spacing * (size - 1) / 2
    return sitk.TransformToDisplacementField(
        deformation, sitk.sitkVectorFloat64, [size] * 3, [start] * 3, [spacing] * 3, np.eye(3).ravel().tolist()
    )


def test_a_smooth_deformation_is_found_in_spite_of_noise_and_wrong_matches() -> None:
    random = np.random.default_rng(1)
    shifts = _bump(POINTS) + random.normal(scale=0.7, size=POINTS.shape)
    shifts[::5] = random.uniform(-6, 6, size=(120, 3))
    deformation = smooth_deformation(POINTS, shifts, tolerance_mm=1.5)
    inner = POINTS[np.linalg.norm(POINTS, axis=1) < 45]
    assert np.linalg.norm(_bump(inner), axis=1).mean() > 1.8
    assert np.linalg.norm(_moved(deformation, inner) - inner - _bump(inner), axis=1).mean() < 0.5


def test_far_from_the_points_nothing_moves() -> None:
    deformation = smooth_deformation(POINTS, np.full_like(POINTS, 3.0), tolerance_mm=1.5)
    far = 250 * np.array([[1.0, 0, 0], [0, -1, 0], [0.6, 0.6, 0.6]])
    np.testing.assert_allclose(_moved(deformation, far), far)
    assert _moved(deformation, np.zeros((1, 3)))[0] == pytest.approx((3, 3, 3), abs=0.3)


def test_shifts_that_would_fold_space_are_bounded_until_they_do_not() -> None:
    against_each_other = np.where(POINTS[:, :1] > 0, -60.0, 60.0) * (1.0, 0.0, 0.0)
    field = _field(smooth_deformation(POINTS, against_each_other, tolerance_mm=100.0))
    assert sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field)).min() > 0
    assert 6 < np.abs(sitk.GetArrayViewFromImage(field)).max() < 30 / 2.48


def test_the_deformation_can_be_undone() -> None:
    deformation = smooth_deformation(POINTS, _bump(POINTS), tolerance_mm=1.5)
    undo = sitk.DisplacementFieldTransform(sitk.InvertDisplacementField(_field(deformation), 50))
    there_and_back = _moved(undo, _moved(deformation, POINTS))
    assert np.linalg.norm(there_and_back - POINTS, axis=1).mean() < 0.1


def test_a_few_points_in_one_plane_are_enough() -> None:
    flat = POINTS[:20] * (1, 1, 0)
    found = _moved(smooth_deformation(flat, np.full_like(flat, 2.0), tolerance_mm=1.5), flat) - flat
    np.testing.assert_allclose(found, 2, atol=1)


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
