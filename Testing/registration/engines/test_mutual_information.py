"""Registration by mutual information: rough alignments, one level, and all of it."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled, RegistrationError
from CSAFusionLib.geometry.grid import in_one_order
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.engines import mutual_information as sitk_engine
from CSAFusionLib.registration.engines.mutual_information import find_start, maximise
from CSAFusionLib.registration.preparation import centred, head_points, meet, pad_slab
from CSAFusionLib.registration.registration import TransformModel


def _search(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, on_iteration=lambda: None) -> None:
    maximise(fixed, moving, transform, step_mm=2.0, samples=20_000, seed=0, threads=1, on_iteration=on_iteration)


def test_a_shift_is_found_between_two_contrasts(a_head, moved) -> None:
    moving = moved(a_head("T2"), sitk.TranslationTransform(3, (5.0, -4.0, 3.0)))
    found = sitk.Euler3DTransform()
    _search(a_head("T1"), moving, found)
    np.testing.assert_allclose(found.TransformPoint((10.0, 20.0, 0.0)), (15.0, 16.0, 3.0), atol=0.5)


def test_what_the_callback_raises_stops_the_search_and_comes_out(a_head) -> None:
    calls = []

    def cancel() -> None:
        calls.append(None)
        raise Cancelled

    moved_far = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.1, 0.1, 0.1, (12.0, 9.0, 5.0))
    with pytest.raises(Cancelled):
        _search(a_head("T1"), a_head("T2"), moved_far, cancel)
    assert len(calls) == 1


def test_a_search_outside_the_moving_image_says_so(a_head) -> None:
    elsewhere = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, 0.0, (5000.0, 0.0, 0.0))
    with pytest.raises(RegistrationError, match="left the moving volume"):
        _search(a_head("T1"), a_head("T2"), elsewhere)


def _start(fixed: sitk.Image, moving: sitk.Image) -> sitk.Euler3DTransform:
    return find_start(fixed, moving, seed=0, threads=1, on_iteration=lambda: None)


@pytest.mark.parametrize("shift", [(2.0, 1.0, 0.0), (0.0, 70.0, -40.0)])
def test_the_start_is_near_whether_or_not_the_headers_are(a_head, moved, shift) -> None:
    truth = sitk.TranslationTransform(3, shift)
    fixed = a_head("T1")
    found = _start(fixed, moved(a_head("T2"), truth))
    assert target_registration_error(found, truth, head_points(fixed)).mean() < 4


def test_a_head_off_the_centre_of_its_field_of_view_is_found(a_head, moved) -> None:
    truth = sitk.TranslationTransform(3, (0.0, 0.0, 45.0))
    fixed = a_head("T1")
    moving = moved(a_head("T2"), truth)
    off_centre = sitk.ConstantPad(moving, [0, 0, 0], [0, 0, 30], 0.0)
    assert target_registration_error(_start(fixed, off_centre), truth, head_points(fixed)).mean() < 4


def test_the_rotation_turns_about_the_head(a_head) -> None:
    fixed = a_head("T1", middle=(400.0, 0.0, 0.0))
    found = _start(fixed, fixed)
    np.testing.assert_allclose(found.GetCenter(), (400.0, 0.0, 0.0), atol=5.0)


@pytest.mark.parametrize("as_fixed", [True, False])
def test_a_slab_far_from_its_place_in_the_whole_head_is_found(a_head, moved, as_fixed) -> None:
    whole = a_head("T1")
    slab = a_head("T2")[:, :, 33:40]
    truth = sitk.TranslationTransform(3, (4.0, -3.0, 32.0))
    placed = moved(slab, truth)
    fixed, moving = (placed, whole) if as_fixed else (whole, placed)
    wanted = truth.GetInverse() if as_fixed else truth
    points = head_points(placed if as_fixed else slab)
    assert target_registration_error(_start(fixed, moving), wanted, points).mean() < 4


def test_volumes_meet_where_a_single_voxel_does(a_head, moved) -> None:
    head = a_head(size=(61, 68, 60))
    assert meet(head, moved(head, sitk.TranslationTransform(3, (60 * 3.0, 67 * 3.0, 59 * 3.0))))
    assert not meet(head, moved(head, sitk.TranslationTransform(3, (0.0, 0.0, 60 * 3.0 + 1))))


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("way", [-1500.0, 2500.0])
def test_a_volume_metres_away_is_put_onto_the_other_and_the_shift_takes_it_back(a_head, axis, way) -> None:
    away = way * np.eye(3)[axis]
    fixed, moving = a_head("T1"), in_one_order(a_head("T2", middle=tuple(away), direction=np.diag([-1.0, -1.0, 1.0])))
    placed, shift = centred(fixed, moving)
    np.testing.assert_allclose(np.add(placed.GetOrigin(), shift), moving.GetOrigin())
    np.testing.assert_allclose(shift, away, atol=8)


@pytest.mark.parametrize("end", [slice(0, 30), slice(30, 60)])
def test_a_part_is_put_where_the_whole_shows_it(a_head, end) -> None:
    whole = a_head("T1", middle=(0.0, 0.0, 900.0))
    part = a_head("T2")[:, :, end]
    for fixed, moving, away in ((part, whole, 900.0), (whole, part, -900.0)):
        shift = centred(fixed, moving)[1]
        assert np.abs(shift - [0, 0, away]).max() < 25


LEFT_HANDED = np.diag([-1.0, 1.0, 1.0])


def _mean_error(found: sitk.Transform, truth: sitk.Transform, fixed: sitk.Image) -> float:
    return float(target_registration_error(found, truth, head_points(fixed)).mean())


def test_a_rigid_motion_between_contrasts_is_recovered(a_pair, a_rigid_motion) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    found = sitk_engine.run(fixed, moving, TransformModel.RIGID)
    assert isinstance(found, sitk.Euler3DTransform)
    assert _mean_error(found, a_rigid_motion, fixed) < 0.5


def test_an_affine_motion_is_recovered(a_head, moved) -> None:
    # Axes of a header have unit length, so the scale goes into the spacing.
    fixed = a_head("T1")
    moving = a_head("T2")
    moving.SetSpacing((3.15, 3.0, 2.88))
    moving.SetOrigin((np.array(moving.GetOrigin()) * (1.05, 1.0, 0.96)).tolist())
    truth = sitk.AffineTransform(3)
    truth.SetMatrix(np.diag([1.05, 1.0, 0.96]).ravel().tolist())
    found = sitk_engine.run(fixed, moving, TransformModel.AFFINE)
    assert isinstance(found, sitk.AffineTransform)
    # The best rigid transform is 1.6 mm off.
    assert _mean_error(found, truth, fixed) < 1.3


def test_a_left_handed_fixed_header_makes_no_difference(a_head, moved, a_rigid_motion) -> None:
    fixed = a_head("T1", direction=LEFT_HANDED)
    found = sitk_engine.run(fixed, moved(a_head("T2"), a_rigid_motion), TransformModel.RIGID)
    assert _mean_error(found, a_rigid_motion, fixed) < 0.5


def test_a_far_origin_makes_no_difference(a_head, moved) -> None:
    place = (3000.0, -2000.0, 5000.0)
    truth = sitk.Euler3DTransform(place, 0.05, 0.0, 0.08, (4.0, 3.0, -5.0))
    fixed = a_head("T1", middle=place)
    found = sitk_engine.run(fixed, moved(a_head("T2", middle=place), truth), TransformModel.RIGID)
    assert _mean_error(found, truth, fixed) < 0.5


def test_two_five_slice_slabs_are_aligned(a_head, moved) -> None:
    truth = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, 0.12, (5.0, -6.0, 1.0))
    grid = {"size": (90, 90, 5), "spacing": (2.0, 2.0, 5.0)}
    fixed = a_head("T1", **grid)
    moving = moved(a_head("T2", **grid), truth)
    found = sitk_engine.run(fixed, pad_slab(fixed, moving), TransformModel.RIGID)
    assert _mean_error(found, truth, fixed) < 1.0


def test_a_slab_is_placed_in_a_whole_head_across_its_slices_too(a_head, moved, a_rigid_motion) -> None:
    slab = moved(a_head("T2")[:, :, 26:33], a_rigid_motion)
    found = sitk_engine.run(a_head("T1"), slab, TransformModel.RIGID)
    assert isinstance(found, sitk.Euler3DTransform)
    assert _mean_error(found, a_rigid_motion, a_head("T1")[:, :, 26:33]) < 1.0


def test_the_same_input_and_seed_give_the_same_transform_and_another_seed_another(a_pair) -> None:
    fixed, moving = (volume.image for volume in a_pair)
    first, again, other = (
        sitk_engine.run(fixed, moving, TransformModel.RIGID, seed=seed).GetParameters() for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_progress_runs_up_to_its_total(a_pair) -> None:
    reports: list[tuple[int, int]] = []
    fixed, moving = (volume.image for volume in a_pair)
    sitk_engine.run(
        fixed, moving, TransformModel.RIGID, progress=lambda stage, done, total: reports.append((done, total))
    )
    assert reports == sorted(reports)
    assert reports[0] == (0, 3)
    assert reports[-1] == (3, 3)


def test_it_stops_at_the_iteration_at_which_it_is_cancelled(a_pair) -> None:
    reports: list[int] = []

    def cancel_while_refining(stage: str, done: int, total: int) -> None:
        reports.append(done)
        if done == 1:
            raise Cancelled

    fixed, moving = (volume.image for volume in a_pair)
    with pytest.raises(Cancelled):
        sitk_engine.run(fixed, moving, TransformModel.RIGID, progress=cancel_while_refining)
    assert reports.count(1) == 1
    assert reports[-1] == 1
