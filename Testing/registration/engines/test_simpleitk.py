"""Tests of the engine that needs nothing but SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.engines import simpleitk as sitk_engine
from CSAFusionLib.registration.preparation import head_points, pad_slab
from CSAFusionLib.registration.registration import TransformModel

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
