"""CSAFusionLib/registration/registration.py, and the engines that take masks."""

from __future__ import annotations

import importlib.util
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.engines import ants, elastix, landmarks, mutual_information
from CSAFusionLib.registration.given_transform import GivenTransform, masks_from, register_from
from CSAFusionLib.registration.register import register
from CSAFusionLib.registration.registration import (
    JUDGED_WHOLE,
    NO_MASKS,
    Method,
    Registration,
    RegistrationMasks,
    TransformModel,
)
from CSAFusionLib.volumes.volume import Volume

INSIDE = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.03, -0.02, 0.04, (9.0, -4.0, 3.0))
OUTSIDE = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, -0.03, (-3.0, 2.0, -2.0))
# Corners of the box that the mask marks.
POINTS = np.array([[x, y, z] for x in (-40.0, 40.0) for y in (-60.0, -5.0) for z in (-30.0, 30.0)])


def _half(image: sitk.Image) -> sitk.Image:
    """The front of a phantom, uint8."""
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(image)
    mask[6:54, 6:36, 8:52] = 1
    return mask


@pytest.fixture(scope="module")
def torn(a_folded_head) -> tuple[Volume, Volume, RegistrationMasks]:
    """A head; the same in another contrast, whose front has moved otherwise than its back; and masks of the front."""
    fixed, other = a_folded_head("T1"), a_folded_head("T2")
    of_fixed = _half(fixed)
    front, back = (sitk.Resample(other, motion.GetInverse(), sitk.sitkLinear) for motion in (INSIDE, OUTSIDE))
    of_moving = sitk.Resample(of_fixed, INSIDE.GetInverse(), sitk.sitkNearestNeighbor)
    moving = sitk.Mask(front, of_moving) + sitk.Mask(back, of_moving == 0)
    return Volume(fixed, "t1"), Volume(moving, "t2"), RegistrationMasks(of_fixed, of_moving)


def _error(found: sitk.Transform) -> float:
    return float(target_registration_error(found, INSIDE, POINTS).mean())


@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_the_search_by_mutual_information_looks_inside_a_mask_alone(torn, which: str) -> None:
    fixed, moving, masks = torn
    one = RegistrationMasks(**{which: getattr(masks, which)})
    assert _error(mutual_information.run(fixed.image, moving.image, TransformModel.RIGID, masks=one)) < 0.6
    # A part in a whole is searched the other way round, and so are its masks.
    part = moving.image[:, :, 18:46]
    assert _error(mutual_information.run(fixed.image, part[:, 4:34], TransformModel.RIGID, masks=one)) < 1.0


def test_landmarks_are_kept_inside_the_masks_alone(torn) -> None:
    fixed, moving, front = torn
    back = RegistrationMasks(front.fixed == 0, front.moving == 0)
    for masks, truth in ((front, INSIDE), (back, OUTSIDE)):
        found = landmarks.run(fixed.image, moving.image, TransformModel.RIGID, masks=masks)
        points = POINTS if truth is INSIDE else POINTS * (1, -1, 1)
        assert target_registration_error(found, truth, points).mean() < 0.8


@pytest.mark.parametrize(("engine", "package"), [(elastix, "itk"), (ants, "ants")], ids=["elastix", "ants"])
def test_the_programs_of_others_get_the_masks(torn, engine: ModuleType, package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    fixed, moving, masks = torn
    # Without masks they are 11 and 15 mm off.
    assert _error(engine.run(fixed.image, moving.image, TransformModel.RIGID, masks=masks)) < 1.0


def test_a_mask_is_told_and_a_registration_that_starts_elsewhere_takes_it_along(torn) -> None:
    fixed, moving, masks = torn
    masks = RegistrationMasks.of(
        (fixed, moving), tuple(Volume(one, "") for one in (masks.fixed, masks.moving)), ("a", None)
    )
    start = GivenTransform(sitk.TranslationTransform(3, (30.0, 0.0, 0.0)))
    find = partial(register, method=Method.SITK, masks=masks_from(masks, fixed, start))
    found = register_from(fixed, moving, start, find)
    assert _error(found.transform) < 0.6
    assert found.describe()["masks"] == [{"of": "fixed", "sha256": "a"}, {"of": "moving", "format": "in memory"}]
    assert JUDGED_WHOLE in found.warnings
    assert Registration.from_dict(found.to_dict(), found.transform).masks == found.masks


def test_headers_that_agree_outside_a_mask_are_no_reason_not_to_register_inside_it(torn, a_folded_head) -> None:
    fixed, _, masks = torn
    aligned = Volume(a_folded_head("T2"), "t2")
    assert register(fixed, aligned, Method.AUTO).method is Method.NONE
    assert register(fixed, aligned, Method.AUTO, masks=RegistrationMasks(masks.fixed)).method is Method.LANDMARKS


def test_a_mask_goes_with_a_volume_that_is_put_onto_the_other(torn) -> None:
    fixed, moving, masks = torn
    far = sitk.Image(moving.image)
    far.SetOrigin((np.array(far.GetOrigin()) + [900.0, 0.0, 0.0]).tolist())
    of_moving = sitk.Image(masks.moving)
    of_moving.CopyInformation(far)
    found = register(fixed, Volume(far, "far"), Method.SITK, masks=RegistrationMasks(moving=of_moving))
    back = sitk.CompositeTransform([sitk.TranslationTransform(3, (-900.0, 0.0, 0.0)), found.transform])
    assert _error(back) < 0.8


def test_a_mask_stored_in_another_order_of_the_axes_is_the_same(torn) -> None:
    fixed, moving, masks = torn
    turned = Volume(sitk.DICOMOrient(masks.fixed, "RAS"), "")
    taken = RegistrationMasks.of((fixed, moving), (turned, None)).fixed
    np.testing.assert_array_equal(sitk.GetArrayFromImage(taken), sitk.GetArrayFromImage(masks.fixed))
    assert RegistrationMasks.of((fixed, moving), (None, None)) == NO_MASKS


def test_a_mask_that_cannot_be_used_is_told_in_one_sentence(torn) -> None:
    fixed, moving, masks = torn
    for image, reason in (
        (masks.fixed[1:], "mask of 't1' does not lie on its grid .59 x 68 x 60 voxels instead of 60 x 68 x 60"),
        (masks.fixed * 0, "mask of 't1' is 0 everywhere"),
        (sitk.Compose([masks.fixed] * 3), "mask of 't1' is in colour"),
    ):
        with pytest.raises(InputError, match=reason):
            RegistrationMasks.of((fixed, moving), (Volume(image, "mask"), None))


def test_what_does_not_look_at_masks_refuses_them(torn) -> None:
    fixed, moving, masks = torn
    with pytest.raises(InputError, match="ignores masks"):
        register(fixed, moving, Method.NONE, masks=masks)


def test_a_start_looks_everywhere_where_a_mask_holds_too_few_of_its_voxels(torn) -> None:
    small = torn[2].fixed * 0
    small[20:24, 20:24, 20:24] = 1
    assert RegistrationMasks(small).for_voxels_of(8.0) is NO_MASKS
    assert RegistrationMasks(small).for_voxels_of(1.0).fixed is small


def test_a_mask_that_marks_all_of_its_grid_marks_nothing_beside_it_under_a_deformation() -> None:
    fixed = sitk.Image(20, 20, 20, sitk.sitkFloat32)
    field = sitk.DisplacementFieldTransform(sitk.Image(20, 20, 20, sitk.sitkVectorFloat64))
    of_moving = sitk.Image(10, 10, 10, sitk.sitkUInt8) + 1
    found = masks_from(RegistrationMasks(moving=of_moving), Volume(fixed, "fixed"), GivenTransform(field)).moving
    assert sitk.GetArrayFromImage(found).sum() == 1000
