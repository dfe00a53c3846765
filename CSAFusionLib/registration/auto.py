"""Choose how to register: by the headers where they already agree, else by the fastest method whose result is good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.quality.assessment import Assessment
from CSAFusionLib.registration.quality.grading import Grade

ORDER = (Method.LANDMARKS, Method.SITK, Method.ELASTIX, Method.ANTS)
"""The methods that are tried, the fastest first, and of two as fast the more exact one; BRAINSFit is left out, since it
does not run everywhere."""

# A search may end so far from the truth, or within what the assessment can resolve; the headers are only kept when it
# finds nothing farther than that, or nothing beyond chance (standard errors).
_SETTLED_MM = 1.5
_BY_CHANCE = 1.5

_TRUSTED = (Grade.GOOD, Grade.DOUBTFUL, Grade.BAD)


@dataclass(frozen=True)
class Attempt:
    """A transform from fixed to moving points (LPS mm), the method that gave it, and how good it is."""

    transform: sitk.Transform
    method: Method
    assessment: Assessment


def candidates(fixed: sitk.Image, moving: sitk.Image, model: TransformModel) -> tuple[Method, ...]:
    """Return the methods to try for a model, in order.

    Volumes on one grid were aligned by someone already, so that is looked at first, and nothing need be interpolated
    for a hundredth of a millimetre. Headers of different grids are looked at where a method fails, or is not better
    than they are.
    """
    able = tuple(method for method in ORDER if model in method.models)
    return (Method.NONE, *able) if model.is_linear and same_grid(fixed, moving) else able


def choose(
    methods: Sequence[Method], find: Callable[[Method], sitk.Transform], assess: Callable[[sitk.Transform], Assessment]
) -> Attempt:
    """Return the first attempt that is good; when none is, the one it trusts most.

    The headers are always a candidate: a method must agree better than they do, or they are kept. They end the search
    by themselves only where the assessment finds nothing clearly better beyond 1.5 mm.

    methods: what to try, in order; at least one.
    find: finds the transform by a method; a RegistrationError passes the method over. It is asked for
        ``Method.NONE`` too, and gives the headers then.
    assess: assesses the quality of a transform.

    Raises RegistrationError, the first method's, when all fail and the headers are bad.
    """
    headers = _Headers(find, assess)
    attempts: list[Attempt] = []
    failures: list[RegistrationError] = []
    for method in methods:
        found = headers.attempt.transform if method is Method.NONE else _try(find, method)
        if isinstance(found, RegistrationError):
            failures.append(found)
        elif method is not Method.NONE:
            attempts.append(Attempt(found, method, assess(found)))
            if attempts[-1].assessment.quality.grade is Grade.GOOD:
                return headers.or_better(attempts[-1])
        if _settled(headers.attempt):
            return headers.attempt
    if attempts:
        return headers.or_better(min(attempts, key=_rank))
    if headers.attempt.assessment.quality.grade is Grade.BAD and failures:
        raise failures[0]
    return headers.attempt


def choose_found(
    methods: Sequence[Method], find: Callable[[Method], sitk.Transform], assess: Callable[[sitk.Transform], Assessment]
) -> Attempt:
    """Return the first attempt that is good, or the one it trusts most, where the headers are no candidate.

    So it is with masks: what lies outside of them may agree better under the headers, and is not asked.

    methods, find, assess: as :func:`choose` takes them.

    Raises RegistrationError, the first method's, when all fail.
    """
    attempts: list[Attempt] = []
    failures: list[RegistrationError] = []
    for method in methods:
        if method is Method.NONE:
            continue
        found = _try(find, method)
        if isinstance(found, RegistrationError):
            failures.append(found)
            continue
        attempts.append(Attempt(found, method, assess(found)))
        if attempts[-1].assessment.quality.grade is Grade.GOOD:
            return attempts[-1]
    if not attempts:
        raise failures[0]
    return min(attempts, key=_rank)


class _Headers:
    """What the headers say, assessed once, and only when it is asked for."""

    def __init__(
        self, find: Callable[[Method], sitk.Transform], assess: Callable[[sitk.Transform], Assessment]
    ) -> None:
        self._find, self._assess = find, assess

    @cached_property
    def attempt(self) -> Attempt:
        transform = self._find(Method.NONE)
        return Attempt(transform, Method.NONE, self._assess(transform))

    def or_better(self, found: Attempt) -> Attempt:
        """The attempt where it is trusted more than the headers, or alike and agrees better; else the headers.

        An attempt nearer to the headers than the assessment resolves is taken: methods use finer images than it does.
        """
        figures = found.assessment.figures
        is_better = figures["headers_beaten_by"] > 0 or figures["moved_mm"] <= figures["resolution_mm"]
        if is_better and found.assessment.quality.grade is Grade.GOOD:
            return found
        levels = [_TRUSTED.index(each.assessment.quality.grade) for each in (found, self.attempt)]
        return found if levels[0] < levels[1] or (levels[0] == levels[1] and is_better) else self.attempt


def _rank(attempt: Attempt) -> tuple[int, float]:
    return _TRUSTED.index(attempt.assessment.quality.grade), -attempt.assessment.figures["agreement"]


def _settled(headers: Attempt) -> bool:
    figures = headers.assessment.figures
    near_mm = max(_SETTLED_MM, figures["resolution_mm"])
    is_near = figures["better_mm"] <= near_mm or figures["better_certainty"] <= _BY_CHANCE
    return is_near and headers.assessment.quality.grade is Grade.GOOD


def _try(find: Callable[[Method], sitk.Transform], method: Method) -> sitk.Transform | RegistrationError:
    try:
        return find(method)
    except RegistrationError as failure:
        return failure
