"""The one way to register: check the volumes, run the method asked for, assess what it did."""

from __future__ import annotations

import time
from functools import partial
from importlib import import_module

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError, RegistrationError
from CSAFusionLib.geometry.transform_algebra import after_shift
from CSAFusionLib.logs import logger_of
from CSAFusionLib.memory.estimate import check_memory, registration_need
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.auto import Attempt, candidates, choose
from CSAFusionLib.registration.initialisation import centred, meet, overlap
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.preparation import centre, pad_slab, prepare
from CSAFusionLib.registration.quality.assessment import QualityAssessor
from CSAFusionLib.registration.result import RegistrationResult
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.volume import Volume

_log = logger_of(__name__)

# Each engine is a module with run(fixed, moving, model, *, seed, threads, progress) -> transform, imported when used.
_ENGINES = {
    Method.SITK: "CSAFusionLib.registration.engines.simpleitk",
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
    progress: Progress = silent,
) -> RegistrationResult:
    """Find the transform that takes points of the fixed volume to points of the moving one (LPS mm).

    model: ignored by ``Method.NONE``, which trusts the headers.
    seed: of the engine's random samples, 0 or more.
    threads: None is one thread, with which the same volumes and seed give the same transform; more are faster.

    Raises:
        InputError: a volume cannot be used, the method does not offer the model, or the headers are to be trusted
            and do not meet.
        RegistrationError: the engine failed, is not installed, or does not run here.
        Cancelled: from ``progress``.
    """
    _check_choice(method, model)
    _check_pair(fixed, moving, method)
    check_memory(registration_need(fixed.image, moving.image))
    started = time.perf_counter()
    target, source = prepare(fixed), prepare(moving)
    placed, shift = (source, None) if meet(target, source) else centred(target, source)
    if shift is not None and method is Method.NONE:
        raise InputError(_apart(fixed, moving, target, source))
    find = partial(_find, target, placed, shift, model, seed=seed, threads=threads, progress=progress)
    assess = QualityAssessor(target, source, seed=seed, progress=progress)
    if method is Method.AUTO:
        chosen = choose(candidates(target, source, model), find, assess)
    else:
        transform = find(method)
        chosen = Attempt(transform, method, assess(transform))
    _check_overlap(fixed, moving, chosen)
    quality, seconds = chosen.assessment.quality, time.perf_counter() - started
    _log.info("registered by %s in %.1f s: %s", chosen.method.name.lower(), seconds, quality.grade.value)
    return RegistrationResult(
        transform=chosen.transform,
        method=chosen.method,
        model=None if chosen.method is Method.NONE else model,
        seconds=seconds,
        metric=chosen.assessment.figures,
        quality=quality,
        warnings=() if shift is None else (_started_from_centres(fixed, moving, target, source),),
    )


def _find(
    target: sitk.Image,
    source: sitk.Image,
    shift: np.ndarray | None,
    model: TransformModel,
    method: Method,
    *,
    seed: int,
    threads: int | None,
    progress: Progress,
) -> sitk.Transform:
    """The transform by a method. shift: from where ``source`` was put to where its header has it, (3,) mm."""
    if method is Method.NONE:
        return sitk.Euler3DTransform()
    engine = import_module(_ENGINES[method])
    # Air that is made up for the sake of mutual information has no landmarks, and hides those beside it.
    moving = source if method is Method.LANDMARKS else pad_slab(target, source)
    found: sitk.Transform = engine.run(target, moving, model, seed=seed, threads=threads, progress=progress)
    return found if shift is None else after_shift(found, shift)


def _check_choice(method: Method, model: TransformModel) -> None:
    if method in (Method.NONE, Method.AUTO):
        return
    if method not in _ENGINES:
        raise RegistrationError(f"The method '{method.value}' runs only in 3D Slicer; choose 'sitk' or 'ants' here.")
    if model not in method.models:
        offered = " or ".join(f"'{offer.value}'" for offer in method.models)
        raise InputError(f"The method '{method.value}' cannot find a '{model.value}' transform; choose {offered}.")


def _check_pair(fixed: Volume, moving: Volume, method: Method) -> None:
    for volume in (fixed, moving):
        check_volume(volume)
        if method is not Method.NONE and min(volume.image.GetSize()) == 1:
            raise InputError(
                f"'{volume.name}' is one voxel thick, which is too thin to register; give a volume of several slices."
            )


def _check_overlap(fixed: Volume, moving: Volume, chosen: Attempt) -> None:
    if chosen.assessment.figures["overlap_after"] == 0 and not overlap(fixed.image, moving.image, chosen.transform):
        raise InputError(
            f"'{moving.name}' does not overlap '{fixed.name}' anywhere after registration; check that both show the "
            f"same anatomy."
        )


def _apart(fixed: Volume, moving: Volume, target: sitk.Image, source: sitk.Image) -> str:
    return (
        f"By their headers '{moving.name}' does not overlap '{fixed.name}' anywhere: the two do not meet, and their "
        f"centres lie {_distance(target, source):.0f} mm apart; choose a registration method other than 'none', or "
        f"correct the headers."
    )


def _started_from_centres(fixed: Volume, moving: Volume, target: sitk.Image, source: sitk.Image) -> str:
    return (
        f"By their headers '{moving.name}' and '{fixed.name}' do not meet (their centres lie "
        f"{_distance(target, source):.0f} mm apart), so the registration started with one put onto the other."
    )


def _distance(target: sitk.Image, source: sitk.Image) -> float:
    return float(np.linalg.norm(centre(source) - centre(target)))
