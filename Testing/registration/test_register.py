"""The one way to register, and the choice of a method."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import InputError, RegistrationError
from CSAFusionLib.geometry.transform_algebra import target_registration_error
from CSAFusionLib.registration.preparation import head_points
from CSAFusionLib.registration.quality.assessment import Assessment
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.register import ORDER, candidates, choose, register
from CSAFusionLib.registration.registration import Method, Registration, TransformModel
from CSAFusionLib.volumes.volume import Volume

GOOD, DOUBTFUL, BAD = Grade
A_SHIFT_EACH = {method: float(number) for number, method in enumerate(ORDER, start=1)}


def an_image(origin: float = 0.0) -> sitk.Image:
    """Small, its origin at ``origin`` along x."""
    image = sitk.Image([4, 4, 4], sitk.sitkFloat32)
    image.SetOrigin((origin, 0.0, 0.0))
    return image


def shift(millimetres: float) -> sitk.Transform:
    """A transform by which a test knows which method it came from."""
    return sitk.TranslationTransform(3, (millimetres, 0.0, 0.0))


def finds(shifts: dict[Method, float], asked: list[Method] | None = None) -> Callable[[Method], sitk.Transform]:
    """Gives each method its shift, and the headers none; a method that has no shift fails."""

    def find(method: Method) -> sitk.Transform:
        if method is Method.NONE:
            return shift(0.0)
        if asked is not None:
            asked.append(method)
        if method not in shifts:
            raise RegistrationError(f"{method.name} failed")
        return shift(shifts[method])

    return find


def judges(
    levels: dict[float, Grade],
    agreement: dict[float, float] | None = None,
    better_mm: float = 0.0,
    better_certainty: float = 5.0,
    headers_beaten_by: float = 5.0,
    resolution_mm: float = 1.2,
    moved_mm: float = 3.0,
) -> Callable[..., Assessment]:
    """Gives the transform of each shift a level, of the headers BAD, and an agreement of 1 where no other is given."""

    def check(transform: sitk.Transform) -> Assessment:
        millimetres = transform.TransformPoint((0.0, 0.0, 0.0))[0]
        figures = {
            "agreement": (agreement or {}).get(millimetres, 1.0),
            "better_mm": better_mm,
            "better_certainty": better_certainty,
            "resolution_mm": resolution_mm,
            "moved_mm": moved_mm if millimetres else 0.0,
            "headers_beaten_by": headers_beaten_by if millimetres else 0.0,
        }
        return Assessment(figures, Quality(({0.0: BAD} | levels)[millimetres], "Because."))

    return check


def test_volumes_on_one_grid_are_first_looked_at_as_they_are() -> None:
    assert candidates(an_image(), an_image(), TransformModel.RIGID) == (Method.NONE, *ORDER)


def test_headers_of_two_grids_are_not_looked_at_first() -> None:
    assert candidates(an_image(), an_image(0.5), TransformModel.RIGID) == ORDER


def test_a_deformable_model_asks_only_the_methods_that_have_it() -> None:
    assert candidates(an_image(), an_image(), TransformModel.SYN) == (Method.ANTS,)


def test_the_first_method_that_passes_is_the_last_that_is_tried() -> None:
    asked: list[Method] = []
    chosen = choose(ORDER, finds(A_SHIFT_EACH, asked), judges({1.0: BAD, 2.0: GOOD}))
    assert chosen.method is ORDER[1]
    assert chosen.transform.TransformPoint((0.0, 0.0, 0.0)) == (2.0, 0.0, 0.0)
    assert asked == list(ORDER[:2])


@pytest.mark.parametrize(
    ("better_mm", "better_certainty", "method"),
    [(1.0, 9.0, Method.NONE), (2.5, 1.0, Method.NONE), (2.5, 9.0, ORDER[0])],
)
def test_headers_end_the_search_only_where_nothing_clearly_better_lies_apart(
    better_mm: float, better_certainty: float, method: Method
) -> None:
    check = judges({0.0: GOOD, 1.0: GOOD}, better_mm=better_mm, better_certainty=better_certainty)
    assert choose((Method.NONE, *ORDER), finds(A_SHIFT_EACH), check).method is method


def test_headers_of_a_body_are_left_alone_as_far_as_the_check_can_tell() -> None:
    check = judges({0.0: GOOD}, better_mm=2.5, better_certainty=9.0, resolution_mm=2.7)
    assert choose((Method.NONE, *ORDER), finds(A_SHIFT_EACH), check).method is Method.NONE


@pytest.mark.parametrize("methods", [ORDER, (Method.NONE, *ORDER)])
def test_a_method_that_does_not_beat_good_headers_is_not_taken(methods: tuple[Method, ...]) -> None:
    asked: list[Method] = []
    check = judges({0.0: GOOD, 1.0: GOOD}, better_mm=2.5, headers_beaten_by=-1.0)
    assert choose(methods, finds(A_SHIFT_EACH, asked), check).method is Method.NONE
    assert asked == [ORDER[0]]


def test_a_result_nearer_to_the_headers_than_the_check_can_tell_is_taken() -> None:
    check = judges({0.0: GOOD, 1.0: GOOD}, headers_beaten_by=-1.0, moved_mm=0.5)
    assert choose(ORDER, finds(A_SHIFT_EACH), check).method is ORDER[0]


def test_headers_are_kept_where_they_are_trusted_more_than_every_result() -> None:
    levels = {0.0: DOUBTFUL} | dict.fromkeys(A_SHIFT_EACH.values(), BAD)
    assert choose(ORDER, finds(A_SHIFT_EACH), judges(levels)).method is Method.NONE


def test_of_headers_and_a_result_trusted_alike_the_result_must_agree_better() -> None:
    levels = {0.0: DOUBTFUL} | dict.fromkeys(A_SHIFT_EACH.values(), DOUBTFUL)
    found = finds(A_SHIFT_EACH)
    assert choose(ORDER, found, judges(levels, headers_beaten_by=-3.0)).method is Method.NONE
    assert choose(ORDER, found, judges(levels, headers_beaten_by=3.0)).method is ORDER[0]


def test_good_headers_end_the_search_once_a_method_has_failed() -> None:
    asked: list[Method] = []
    chosen = choose(ORDER, finds({}, asked), judges({0.0: GOOD}))
    assert chosen.method is Method.NONE
    assert asked == [ORDER[0]]


def test_a_deformation_that_does_worse_than_the_headers_is_not_taken() -> None:
    chosen = choose((Method.ANTS,), finds({Method.ANTS: 1.0}), judges({0.0: DOUBTFUL, 1.0: BAD}))
    assert chosen.method is Method.NONE


def test_the_most_trusted_is_kept_when_none_passes_and_the_highest_agreement_among_equals() -> None:
    levels = {1.0: BAD, 2.0: DOUBTFUL, 3.0: DOUBTFUL, 4.0: BAD}
    agreement = {1.0: 9.0, 2.0: 0.2, 3.0: 0.3, 4.0: 8.0}
    chosen = choose(ORDER, finds(A_SHIFT_EACH), judges(levels, agreement))
    assert chosen.method is ORDER[2]
    assert chosen.assessment.quality.grade is DOUBTFUL


def test_a_method_that_fails_is_passed_over() -> None:
    chosen = choose(ORDER, finds({ORDER[2]: 3.0}), judges({3.0: BAD}))
    assert chosen.method is ORDER[2]


def test_when_all_fail_and_the_headers_are_bad_the_first_method_says_why() -> None:
    with pytest.raises(RegistrationError, match=f"{ORDER[0].name} failed"):
        choose(ORDER, finds({}), judges({}))


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


def test_a_result_cannot_be_changed_by_who_gets_it() -> None:
    result = Registration(sitk.Euler3DTransform(), Method.NONE, None, 0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.seconds = 2.0  # type: ignore[misc]


@pytest.mark.parametrize("choice", [*Method, *TransformModel])
def test_every_choice_is_called_by_its_name_in_small_letters(choice: Method | TransformModel) -> None:
    assert choice.value == choice.name.lower()


@pytest.mark.parametrize("model", [TransformModel.SYN, TransformModel.RIGID_AFFINE_SYN])
def test_ants_alone_finds_symmetric_normalisations_and_so_does_what_chooses_it(model: TransformModel) -> None:
    assert [method for method in Method if model in method.models] == [Method.AUTO, Method.ANTS]


def test_rigid_and_affine_transforms_alone_are_linear() -> None:
    assert [model for model in TransformModel if model.is_linear] == [TransformModel.RIGID, TransformModel.AFFINE]


def test_the_header_geometry_offers_no_model() -> None:
    assert Method.NONE.models == ()
