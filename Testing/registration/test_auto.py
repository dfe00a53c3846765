"""Tests of how a registration is chosen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.quality.assessment import Assessment
from CSAFusionLib.registration.quality.grading import Grade, Quality
from CSAFusionLib.registration.register import ORDER, candidates, choose

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
