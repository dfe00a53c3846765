"""Choose how to register: by the headers where they already agree, else by the fastest method that passes the check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.registration.check.examine import Check
from CSAFusionLib.registration.check.verdict import Level
from CSAFusionLib.registration.methods import Method, TransformModel

ORDER = (Method.LANDMARKS, Method.SITK, Method.ELASTIX, Method.ANTS)
"""The methods that are tried, the fastest first, and of two as fast the more exact one; BRAINSFit is left out, since it
does not run everywhere."""

# A search may end so far from the truth; headers are only left alone when it finds nothing farther than that.
_SETTLED_MM = 1.5

_TRUSTED = (Level.GOOD, Level.DOUBTFUL, Level.BAD)


@dataclass(frozen=True)
class Attempt:
    """A transform from fixed to moving points (LPS mm), the method that gave it, and what the check says of it."""

    transform: sitk.Transform
    method: Method
    check: Check


def candidates(fixed: sitk.Image, moving: sitk.Image, model: TransformModel) -> tuple[Method, ...]:
    """Return the methods to try for a model, in order.

    Volumes on one grid were aligned by someone already, so that is looked at first, and nothing need be interpolated
    for a hundredth of a millimetre. Headers of different grids are never exact enough.
    """
    able = tuple(method for method in ORDER if model in method.models)
    return (Method.NONE, *able) if model.is_linear and same_grid(fixed, moving) else able


def choose(
    methods: Sequence[Method], find: Callable[[Method], sitk.Transform], check: Callable[[sitk.Transform], Check]
) -> Attempt:
    """Return the first attempt that the check calls good; when none is, the one it trusts most.

    What is left as it is must be better than good: the check has to find nothing better beyond 1.5 mm.

    methods: what to try, in order; at least one.
    find: finds the transform by a method; a RegistrationError passes the method over.
    check: judges a transform.

    Raises RegistrationError, the first method's, when all fail.
    """
    attempts: list[Attempt] = []
    failures: list[RegistrationError] = []
    for method in methods:
        found = _try(find, method)
        if isinstance(found, RegistrationError):
            failures.append(found)
            continue
        attempts.append(Attempt(found, method, check(found)))
        if _passes(attempts[-1]):
            return attempts[-1]
    if not attempts:
        raise failures[0]
    return min(
        attempts, key=lambda tried: (_TRUSTED.index(tried.check.verdict.level), -tried.check.figures["agreement"])
    )


def _passes(attempt: Attempt) -> bool:
    if attempt.method is Method.NONE and attempt.check.figures["better_mm"] > _SETTLED_MM:
        return False
    return attempt.check.verdict.level is Level.GOOD


def _try(find: Callable[[Method], sitk.Transform], method: Method) -> sitk.Transform | RegistrationError:
    try:
        return find(method)
    except RegistrationError as failure:
        return failure
