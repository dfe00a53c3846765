"""Register two volumes: choose the method, run it, and assess the result.

When no method is named, the headers are used if they agree already; otherwise the fastest method with a good result is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import import_module

import SimpleITK as sitk

from CSAFusionLib.errors import InputError, RegistrationError
from CSAFusionLib.geometry.grid import same_grid
from CSAFusionLib.geometry.transform_algebra import after_shift
from CSAFusionLib.intensity.voxel_values import within_float32
from CSAFusionLib.logs import logger_of
from CSAFusionLib.memory import check_memory, registration_need
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.preparation import PreparedPair, pad_slab
from CSAFusionLib.registration.quality.assessment import Assessment, QualityAssessor
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.registration.registration import (
    JUDGED_WHOLE,
    NO_MASKS,
    Method,
    Registration,
    RegistrationMasks,
    TransformModel,
    check_guides,
)
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume

ORDER = (Method.LANDMARKS, Method.SITK, Method.ELASTIX, Method.ANTS)
"""The methods to try, fastest first, and of two equally fast ones the more accurate first; BRAINSFit is left out
because it does not run everywhere."""

# A search can end this far from the truth, or anywhere within the resolution of the assessment. The headers are kept
# only if it finds nothing farther away than that, or nothing beyond chance (standard errors).
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

    Volumes on the same grid have been aligned already, so their headers are tried first: interpolation is not worth a
    hundredth of a millimetre. Headers of different grids are tried only if a method fails or does no better.
    """
    able = tuple(method for method in ORDER if model in method.models)
    return (Method.NONE, *able) if model.is_linear and same_grid(fixed, moving) else able


def choose(
    methods: Sequence[Method], find: Callable[[Method], sitk.Transform], assess: Callable[[sitk.Transform], Assessment]
) -> Attempt:
    """Return the first good attempt or, if there is none, the most trusted one.

    The headers are always a candidate: they are kept unless a method agrees better. They end the search on their own
    only if the assessment finds nothing clearly better that is farther than 1.5 mm away.

    methods: what to try, in order; at least one.
    find: finds the transform with a method; after a RegistrationError the method is skipped. For ``Method.NONE`` it
        returns the transform of the headers.
    assess: assesses the quality of a transform.

    Raises the RegistrationError of the first method if all methods fail and the headers are bad.
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
    """Return the first good attempt or, if there is none, the most trusted one; the headers are no candidate.

    This serves registration with masks: what lies outside them may agree better under the headers, but does not count.

    methods, find, assess: as :func:`choose` takes them.

    Raises the RegistrationError of the first method if all methods fail.
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
    """The alignment of the headers, assessed once, when it is first needed."""

    def __init__(
        self, find: Callable[[Method], sitk.Transform], assess: Callable[[sitk.Transform], Assessment]
    ) -> None:
        self._find, self._assess = find, assess

    @cached_property
    def attempt(self) -> Attempt:
        transform = self._find(Method.NONE)
        return Attempt(transform, Method.NONE, self._assess(transform))

    def or_better(self, found: Attempt) -> Attempt:
        """The attempt if it is trusted more than the headers, or equally and agrees better; otherwise the headers.

        An attempt closer to the headers than the assessment can resolve is taken, because methods use finer images.
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


_log = logger_of(__name__)

# Each engine is a module with run(fixed, moving, model, *, seed, threads, progress) -> transform, imported when used.
_ENGINES = {
    Method.SITK: "CSAFusionLib.registration.engines.mutual_information",
    Method.ANTS: "CSAFusionLib.registration.engines.ants",
    Method.LANDMARKS: "CSAFusionLib.registration.engines.landmarks",
    Method.ELASTIX: "CSAFusionLib.registration.engines.elastix",
    Method.BRAINS: "CSAFusionLib.registration.engines.brainsfit",
}


def register(
    fixed: Volume,
    moving: Volume,
    method: Method,
    model: TransformModel = TransformModel.RIGID,
    *,
    seed: int = 0,
    threads: int | None = None,
    masks: RegistrationMasks = NO_MASKS,
    progress: Progress = silent,
) -> Registration:
    """Find the transform that takes points of the fixed volume to points of the moving one (LPS mm), and assess it.

    model: ignored by ``Method.NONE``, which trusts the headers.
    seed: seed of the engine's random samples, 0 or more.
    threads: None means one thread, for which the same volumes and seed give the same transform; more are faster.
    masks: where the two are compared; the quality is always that of the whole volumes.

    Raises:
        InputError: a volume cannot be used, the method does not offer the model, or the headers are to be trusted but
            the volumes do not meet.
        RegistrationError: the engine failed, is not installed, or does not run here.
        Cancelled: from ``progress``.
    """
    _check_choice(method, model, masks)
    check_volume(fixed)
    check_volume(moving)
    check_memory(registration_need(fixed.image, moving.image))
    run = RegistrationRun(method, model, seed, threads, progress, masks=masks)
    return run.registered(within_float32(fixed), within_float32(moving))


@dataclass(frozen=True)
class RegistrationRun:
    """A requested registration, ready to run on two volumes that are valid and within float32.

    Args:
        method, model, seed, threads, progress, masks: as :func:`register` takes them.
        known: a registration found earlier; it is assessed if it has not been, and nothing else is run.
    """

    method: Method
    model: TransformModel
    seed: int = 0
    threads: int | None = None
    progress: Progress = silent
    known: Registration | None = None
    masks: RegistrationMasks = NO_MASKS

    def registered(self, fixed: Volume, moving: Volume) -> Registration:
        """Return the registration with its quality. Raises what :func:`register` raises."""
        if self.known is not None and self.known.quality is not None:
            return self.known
        if self.known is None:
            _check_choice(self.method, self.model, self.masks)
            _check_thickness(fixed, moving, self.method)
        started = time.perf_counter()
        pair = PreparedPair(fixed, moving)
        assess = QualityAssessor(pair.fixed, pair.moving, seed=self.seed, progress=self.progress)
        if self.known is not None:
            assessment = assess(self.known.transform)
            return replace(self.known, metric=assessment.figures, quality=assessment.quality)
        chosen = self._chosen(pair, assess)
        quality, seconds = chosen.assessment.quality, time.perf_counter() - started
        _log.info("registered by %s in %.1f s: %s", chosen.method.name.lower(), seconds, quality.grade.value)
        return Registration(
            transform=chosen.transform,
            method=chosen.method,
            model=None if chosen.method is Method.NONE else self.model,
            seconds=seconds,
            metric=chosen.assessment.figures,
            quality=quality,
            warnings=tuple(self._warnings(pair)),
            masks=self.masks.sources,
        )

    def _warnings(self, pair: PreparedPair) -> Iterator[str]:
        if pair.shift is not None:
            yield _started_from_centres(pair)
        if self.masks:
            yield JUDGED_WHOLE

    def _chosen(self, pair: PreparedPair, assess: QualityAssessor) -> Attempt:
        """The attempt of the requested method, or the best attempt of AUTO."""
        if pair.shift is not None and self.method is Method.NONE:
            raise InputError(_apart(pair))
        find = partial(self._find, pair)
        if self.method is Method.AUTO:
            among = choose_found if self.masks else choose
            chosen = among(candidates(pair.fixed, pair.moving, self.model), find, assess)
        else:
            transform = find(self.method)
            chosen = Attempt(transform, self.method, assess(transform))
        if chosen.assessment.figures["overlap_after"] == 0 and not pair.overlaps(chosen.transform):
            fixed, moving = pair.names
            raise InputError(
                f"'{moving}' does not overlap '{fixed}' anywhere after registration; check that both show the same "
                "anatomy."
            )
        return chosen

    def _find(self, pair: PreparedPair, method: Method) -> sitk.Transform:
        """The transform that one method finds."""
        if method is Method.NONE:
            return sitk.Euler3DTransform()
        engine = import_module(_ENGINES[method])
        # Air added for the sake of mutual information holds no landmarks and hides those next to it.
        moving = pair.placed if method is Method.LANDMARKS else pad_slab(pair.fixed, pair.placed)
        # An engine without masks gets no argument for them: _check_choice has refused it if there are any.
        given = {"masks": self.masks.on_grids(pair.fixed, pair.moving, pair.placed)} if self.masks else {}
        found: sitk.Transform = engine.run(
            pair.fixed, moving, self.model, seed=self.seed, threads=self.threads, progress=self.progress, **given
        )
        return found if pair.shift is None else after_shift(found, pair.shift)


def _check_choice(method: Method, model: TransformModel, masks: RegistrationMasks) -> None:
    if masks:
        check_guides(method)
    if method in (Method.NONE, Method.AUTO):
        return
    if method not in _ENGINES:
        raise RegistrationError(f"The method '{method.value}' runs only in 3D Slicer; choose 'sitk' or 'ants' here.")
    if model not in method.models:
        offered = " or ".join(f"'{offer.value}'" for offer in method.models)
        raise InputError(f"The method '{method.value}' cannot find a '{model.value}' transform; choose {offered}.")


def _check_thickness(fixed: Volume, moving: Volume, method: Method) -> None:
    for volume in (fixed, moving):
        if method is not Method.NONE and min(volume.image.GetSize()) == 1:
            raise InputError(
                f"'{volume.name}' is one voxel thick, which is too thin to register; give a volume of several slices."
            )


def _apart(pair: PreparedPair) -> str:
    fixed, moving = pair.names
    return (
        f"By their headers '{moving}' does not overlap '{fixed}' anywhere: the two do not meet, and their centres lie "
        f"{pair.centres_apart_mm:.0f} mm apart; choose a registration method other than 'none', or correct the headers."
    )


def _started_from_centres(pair: PreparedPair) -> str:
    fixed, moving = pair.names
    return (
        f"By their headers '{moving}' and '{fixed}' do not meet (their centres lie {pair.centres_apart_mm:.0f} mm "
        "apart), so the registration started with one put onto the other."
    )
