"""Tests of the one way to register."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.preparation import head_points
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.registration.register import register
from CSAFusionLib.volumes.volume import Volume


def test_the_result_says_what_was_done_and_what_it_changed(a_pair, a_rigid_motion) -> None:
    fixed, moving = a_pair
    result = register(fixed, moving, Method.SITK, TransformModel.RIGID)
    error = target_registration_error(result.transform, a_rigid_motion, head_points(fixed.image))
    assert error.mean() < 0.5
    assert (result.method, result.model) == (Method.SITK, TransformModel.RIGID)
    assert result.seconds > 0
    assert result.metric["mutual_information_after"] > result.metric["mutual_information_before"]


def test_the_transform_takes_fixed_points_to_moving_points(a_pair) -> None:
    fixed, moving = a_pair
    found = register(fixed, moving, Method.SITK).transform
    bright_spot_index = [int(i) for i in (38, 45, 26)]
    fixed_point = fixed.image.TransformIndexToPhysicalPoint(bright_spot_index)
    same_voxel_in_moving = moving.image.TransformIndexToPhysicalPoint(bright_spot_index)
    np.testing.assert_allclose(found.TransformPoint(fixed_point), same_voxel_in_moving, atol=1.0)


def test_inputs_are_left_as_they_were(a_pair) -> None:
    before = [(sitk.Hash(volume.image), volume.image.GetOrigin(), volume.image.GetDirection()) for volume in a_pair]
    register(*a_pair, Method.SITK)
    after = [(sitk.Hash(volume.image), volume.image.GetOrigin(), volume.image.GetDirection()) for volume in a_pair]
    assert after == before


def test_the_header_geometry_is_the_identity_and_needs_no_model(a_pair) -> None:
    result = register(*a_pair, Method.NONE, TransformModel.SYN)
    assert result.transform.TransformPoint((1.0, 2.0, 3.0)) == (1.0, 2.0, 3.0)
    assert result.model is None
    assert result.metric["mutual_information_after"] == result.metric["mutual_information_before"]


def test_a_colour_volume_is_registered_by_its_luminance(a_pair, a_rigid_motion) -> None:
    fixed, moving = a_pair
    grey = sitk.Cast(sitk.Clamp(moving.image, sitk.sitkFloat32, 0.0, 255.0), sitk.sitkUInt8)
    colour = Volume(sitk.Compose(grey, grey, grey), "pet")
    found = register(fixed, colour, Method.SITK).transform
    assert target_registration_error(found, a_rigid_motion, head_points(fixed.image)).mean() < 0.5


@pytest.fixture
def a_far_pair(a_pair, moved) -> tuple[Volume, Volume, sitk.Transform]:
    """The pair with the moving head 0.9 m away by its header, and the truth."""
    fixed, moving = a_pair
    away = sitk.TranslationTransform(3, (-120.0, 40.0, 900.0))
    return fixed, Volume(moved(moving.image, away), "elsewhere"), away


def test_headers_that_do_not_meet_are_refused_where_they_are_to_be_trusted(a_far_pair) -> None:
    with pytest.raises(InputError, match=r"'elsewhere' does not overlap 't1' .* 912 mm apart"):
        register(*a_far_pair[:2], Method.NONE)


@pytest.mark.parametrize("method", [Method.AUTO, Method.SITK, Method.LANDMARKS])
def test_headers_that_do_not_meet_are_put_onto_each_other_first_and_a_warning_says_so(
    a_far_pair, a_rigid_motion, method
) -> None:
    fixed, far, away = a_far_pair
    result = register(fixed, far, method)
    truth = sitk.CompositeTransform([away, a_rigid_motion])
    assert target_registration_error(result.transform, truth, head_points(fixed.image)).mean() < 1
    assert result.quality is not None and result.quality.grade is Grade.GOOD
    assert result.metric["overlap_before"] == 0
    (warning,) = result.warnings
    assert "'elsewhere' and 't1' do not meet" in warning and "912 mm" in warning


def test_headers_that_meet_give_no_warning(a_pair) -> None:
    assert register(*a_pair, Method.NONE).warnings == ()


def test_a_constant_volume_is_refused_by_name(a_pair) -> None:
    flat = Volume(sitk.Image([20, 20, 20], sitk.sitkFloat32), "blank")
    with pytest.raises(InputError, match="'blank' is constant"):
        register(a_pair[0], flat, Method.SITK)


def test_a_single_slice_is_refused_by_name(a_pair) -> None:
    slice_ = Volume(a_pair[1].image[:, :, 30:31], "slice")
    with pytest.raises(InputError, match="'slice' is one voxel thick"):
        register(a_pair[0], slice_, Method.SITK)


def test_a_model_the_method_does_not_offer_is_refused(a_pair) -> None:
    with pytest.raises(InputError, match="The method 'sitk' cannot find a 'syn' transform; choose 'rigid' or 'affine'"):
        register(*a_pair, Method.SITK, TransformModel.SYN)
