"""A transform that is already known."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.given_transform import GivenTransform, apply_to, as_registration, placed, register_from
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import Method, TransformModel
from CSAFusionLib.volumes.volume import Volume

POINTS = np.array([[0.0, 0.0, 0.0], [40.0, -30.0, 20.0], [-30.0, 50.0, -40.0]])
SOURCE = ({"format": "ITK", "sha256": "0" * 64},)


@pytest.fixture(scope="module")
def pair(a_folded_head, moved) -> tuple[Volume, Volume, sitk.Euler3DTransform]:
    """A head, the same head with other contrast far away and turned, and the transform from one to the other."""
    motion = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.5, -0.6, 0.9, (60.0, -50.0, 40.0))
    fixed = a_folded_head("T1")
    return Volume(fixed, "fixed"), Volume(moved(a_folded_head("T2"), motion), "moving"), motion


def _off(motion: sitk.Euler3DTransform) -> sitk.Euler3DTransform:
    near = sitk.Euler3DTransform(motion)
    near.SetTranslation((np.array(motion.GetTranslation()) + [4.0, -3.0, 3.0]).tolist())
    return near


def test_a_given_transform_is_kept_as_it_is_and_gets_a_verdict(pair) -> None:
    fixed, moving, motion = pair
    good = as_registration(fixed, moving, GivenTransform(motion, SOURCE, ("A note.",)))
    assert good.transform is motion
    assert (good.method, good.model, good.given) == (Method.NONE, None, SOURCE)
    assert good.verdict is not None
    assert good.verdict.grade is Grade.GOOD
    assert good.warnings == ("A note.",)


def test_a_registration_starts_at_the_given_transform_and_ends_nearer(pair) -> None:
    fixed, moving, motion = pair
    start = _off(motion)
    find = partial(register, method=Method.SITK, model=TransformModel.RIGID)
    found = register_from(fixed, moving, GivenTransform(start, SOURCE), find)
    assert target_registration_error(found.transform, motion, POINTS).max() < 0.5
    assert target_registration_error(start, motion, POINTS).max() > 5
    assert isinstance(found.transform, sitk.Euler3DTransform)
    assert (found.given, found.started_from) == ((), SOURCE)


def test_an_initial_transform_alone_is_the_result_of_no_registration(pair) -> None:
    fixed, moving, motion = pair
    find = partial(register, method=Method.NONE)
    found = register_from(fixed, moving, GivenTransform(motion, SOURCE), find)
    assert target_registration_error(found.transform, motion, POINTS).max() < 1e-6


def test_placing_by_a_linear_transform_changes_the_header_alone(pair) -> None:
    _, moving, _ = pair
    affine = sitk.AffineTransform([1.1, 0.2, 0, 0, 0.9, 0, 0, 0, 1], [4.0, 5.0, 6.0])
    image = placed(moving.image, moving.image, affine)
    for index in ((0, 0, 0), (5, 7, 3)):
        there = affine.TransformPoint(image.TransformIndexToPhysicalPoint(index))
        np.testing.assert_allclose(there, moving.image.TransformIndexToPhysicalPoint(index), atol=1e-6)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(moving.image))


def test_a_registration_can_start_at_a_deformation(pair) -> None:
    fixed, moving, motion = pair
    field = sitk.TransformToDisplacementField(
        _off(motion), sitk.sitkVectorFloat64, [25, 25, 25], [-150.0, -150.0, -150.0], [12.0, 12.0, 12.0]
    )
    start = GivenTransform(sitk.DisplacementFieldTransform(field), SOURCE)
    found = register_from(fixed, moving, start, partial(register, method=Method.NONE))
    assert target_registration_error(found.transform, start.transform, POINTS).max() < 1e-6


def test_volumes_that_do_not_meet_under_it_are_told(pair) -> None:
    fixed, moving, _ = pair
    far = GivenTransform(sitk.TranslationTransform(3, (5000.0, 0.0, 0.0)), SOURCE)
    for use in (as_registration, partial(register_from, register=partial(register, method=Method.NONE))):
        with pytest.raises(InputError, match="does not reach 'fixed' anywhere"):
            use(fixed, moving, far)


SHIFT = sitk.TranslationTransform(3, (2.0, 0.0, 0.0))


def _image(voxels: np.ndarray, *, vector: bool = False) -> sitk.Image:
    image = sitk.GetImageFromArray(voxels, isVector=vector)
    image.SetSpacing((2.0, 2.0, 2.0))
    return image


@pytest.fixture
def reference() -> Volume:
    """An empty grid, which is no volume to fuse but one to resample on."""
    return Volume(_image(np.zeros((6, 7, 8), np.uint8)), "reference")


@pytest.mark.parametrize("number_type", [np.uint8, np.int16, np.int32, np.uint16, np.float32])
def test_labels_keep_their_numbers_and_their_type(reference: Volume, number_type: type) -> None:
    labels = np.zeros((6, 7, 8), number_type)
    labels[2:4, 2:5, 3:6] = 117
    moved = apply_to(Volume(_image(labels), "labels"), reference, SHIFT, labels=True)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(moved)[..., :-1], labels[..., 1:])
    assert sitk.GetArrayFromImage(moved).dtype == number_type
    assert not sitk.GetArrayFromImage(moved)[..., -1].any()
    assert same_grid(moved, reference.image)


def test_intensities_are_interpolated_and_darkest_outside(reference: Volume) -> None:
    ramp = np.broadcast_to(np.arange(8, dtype=np.int16) - 100, (6, 7, 8)).copy()
    half = sitk.TranslationTransform(3, (1.0, 0.0, 0.0))
    moved = sitk.GetArrayFromImage(apply_to(Volume(_image(ramp), "ct"), reference, half))
    np.testing.assert_allclose(moved[2, 2, :7], np.arange(7) - 99.5)
    far = sitk.TranslationTransform(3, (8.0, 0.0, 0.0))
    assert sitk.GetArrayFromImage(apply_to(Volume(_image(ramp), "ct"), reference, far))[2, 2, 7] == -100


@pytest.mark.parametrize("number_type", [np.uint8, np.uint16])
def test_colours_stay_colours(reference: Volume, number_type: type) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (6, 7, 8, 3)).astype(number_type)
    moved = apply_to(Volume(_image(colours, vector=True), "spect"), reference, SHIFT)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(moved)[..., :-1, :], colours[..., 1:, :])
    assert sitk.GetArrayFromImage(moved).dtype == number_type
    with pytest.raises(InputError, match="is in colour, which labels are not"):
        apply_to(Volume(_image(colours, vector=True), "spect"), reference, SHIFT, labels=True)


def test_a_volume_that_does_not_reach_is_told_and_so_is_the_way_that_would(reference: Volume) -> None:
    away = _image(np.ones((6, 7, 8), np.uint8))
    away.SetOrigin((500.0, 0.0, 0.0))
    with pytest.raises(InputError, match="check that it was found between these two"):
        apply_to(Volume(away, "away"), reference, SHIFT)
    with pytest.raises(InputError, match="its inverse does"):
        apply_to(Volume(away, "away"), reference, sitk.TranslationTransform(3, (-500.0, 0.0, 0.0)))
