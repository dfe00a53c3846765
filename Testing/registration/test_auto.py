"""CSAFusionLib.registration.auto"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.registration.auto import ORDER, candidates, choose
from CSAFusionLib.registration.check.examine import Check
from CSAFusionLib.registration.check.verdict import Level, Verdict
from CSAFusionLib.registration.methods import Method, TransformModel

GOOD, DOUBTFUL, BAD = Level
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
    """Gives each method its shift; a method that has none fails."""

    def find(method: Method) -> sitk.Transform:
        if asked is not None:
            asked.append(method)
        if method not in shifts:
            raise RegistrationError(f"{method.name} failed")
        return shift(shifts[method])

    return find


def judges(
    levels: dict[float, Level], agreement: dict[float, float] | None = None, better_mm: float = 0.0
) -> Callable[..., Check]:
    """Gives the transform of each shift a level, and an agreement of 1 where no other is given."""

    def check(transform: sitk.Transform) -> Check:
        millimetres = transform.TransformPoint((0.0, 0.0, 0.0))[0]
        figures = {"agreement": (agreement or {}).get(millimetres, 1.0), "better_mm": better_mm}
        return Check(figures, Verdict(levels[millimetres], "Because."))

    return check


def test_volumes_on_one_grid_are_first_looked_at_as_they_are() -> None:
    assert candidates(an_image(), an_image(), TransformModel.RIGID) == (Method.NONE, *ORDER)


def test_headers_of_two_grids_are_not_trusted() -> None:
    assert candidates(an_image(), an_image(0.5), TransformModel.RIGID) == ORDER


def test_a_deformable_model_asks_only_the_methods_that_have_it() -> None:
    assert candidates(an_image(), an_image(), TransformModel.SYN) == (Method.ANTS,)


def test_the_first_method_that_passes_is_the_last_that_is_tried() -> None:
    asked: list[Method] = []
    chosen = choose(ORDER, finds(A_SHIFT_EACH, asked), judges({1.0: BAD, 2.0: GOOD}))
    assert chosen.method is ORDER[1]
    assert chosen.transform.TransformPoint((0.0, 0.0, 0.0)) == (2.0, 0.0, 0.0)
    assert asked == list(ORDER[:2])


@pytest.mark.parametrize(("better_mm", "method"), [(1.0, Method.NONE), (2.5, ORDER[0])])
def test_headers_are_left_alone_only_where_nothing_better_lies_apart(better_mm: float, method: Method) -> None:
    found = finds({Method.NONE: 0.0} | A_SHIFT_EACH)
    chosen = choose((Method.NONE, *ORDER), found, judges({0.0: GOOD, 1.0: GOOD}, better_mm=better_mm))
    assert chosen.method is method


def test_the_most_trusted_is_kept_when_none_passes_and_the_highest_agreement_among_equals() -> None:
    levels = {1.0: BAD, 2.0: DOUBTFUL, 3.0: DOUBTFUL, 4.0: BAD}
    agreement = {1.0: 9.0, 2.0: 0.2, 3.0: 0.3, 4.0: 8.0}
    chosen = choose(ORDER, finds(A_SHIFT_EACH), judges(levels, agreement))
    assert chosen.method is ORDER[2]
    assert chosen.check.verdict.level is DOUBTFUL


def test_a_method_that_fails_is_passed_over() -> None:
    chosen = choose(ORDER, finds({ORDER[2]: 3.0}), judges({3.0: BAD}))
    assert chosen.method is ORDER[2]


def test_when_all_fail_the_first_method_says_why() -> None:
    with pytest.raises(RegistrationError, match=f"{ORDER[0].name} failed"):
        choose(ORDER, finds({}), judges({}))
