"""Where a registration starts: the best of several rough alignments."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.geometry.grid import centre
from CSAFusionLib.geometry.resampling import coarsen
from CSAFusionLib.geometry.transform_algebra import inverse
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks
from CSAFusionLib.registration.mutual_information import maximise
from CSAFusionLib.registration.preparation import foreground_centre, is_part_of, slab_normals
from CSAFusionLib.registration.quality.agreement import agreement

# A head is some twenty voxels wide: rough enough to be fast, fine enough to tell its sides apart.
START_SPACING_MM = 8.0
_SAMPLES = 10_000

# Steps along the normal of a slab from where its header places it in a whole; a start finds what is half a step away.
_SLAB_STEPS_MM = (-45.0, -30.0, -15.0, 15.0, 30.0, 45.0)


def find_start(
    fixed: sitk.Image,
    moving: sitk.Image,
    *,
    seed: int,
    threads: int,
    on_iteration: Callable[[], None],
    masks: RegistrationMasks = NO_MASKS,
) -> sitk.Euler3DTransform:
    """Find a rough rigid alignment, from fixed to moving points (LPS mm).

    Header geometry, centres of the fields of view, and centroids of the foregrounds are each tried as a start, for a
    slab in a whole also places along its normal; each is improved on coarse images, and they are compared there.

    fixed, moving: scalar float32.
    masks: where the two are compared; everywhere all the same where a mask holds too little at this resolution.

    Raises RegistrationError when the search leaves the moving image from every start.
    """
    if is_part_of(moving, fixed):
        other = masks.exchanged()
        found = find_start(moving, fixed, seed=seed, threads=threads, on_iteration=on_iteration, masks=other)
        return sitk.Euler3DTransform(inverse(found))
    masks = masks.for_voxels_of(START_SPACING_MM)
    coarse_fixed, coarse_moving = coarsen(fixed, START_SPACING_MM), coarsen(moving, START_SPACING_MM)
    improve = partial(
        maximise,
        coarse_fixed,
        coarse_moving,
        step_mm=START_SPACING_MM / 2,
        samples=_SAMPLES,
        seed=seed,
        threads=threads,
        on_iteration=on_iteration,
        masks=masks,
    )
    starts = _improved(_candidates(coarse_fixed, coarse_moving), improve)
    return max(starts, key=lambda start: agreement(coarse_fixed, coarse_moving, start, masks))


def _improved(
    starts: list[sitk.Euler3DTransform], improve: Callable[[sitk.Euler3DTransform], None]
) -> list[sitk.Euler3DTransform]:
    """The starts after their search; those from which the search left the moving volume are no starts."""
    failures = [_failure_of(improve, start) for start in starts]
    kept = [start for start, failure in zip(starts, failures, strict=True) if failure is None]
    if not kept and failures[0] is not None:
        raise failures[0]
    return kept


def _failure_of(
    improve: Callable[[sitk.Euler3DTransform], None], start: sitk.Euler3DTransform
) -> RegistrationError | None:
    try:
        improve(start)
    except RegistrationError as error:
        return error
    return None


def _candidates(fixed: sitk.Image, moving: sitk.Image) -> list[sitk.Euler3DTransform]:
    pivot = foreground_centre(fixed)
    shifts = [np.zeros(3), centre(moving) - centre(fixed), foreground_centre(moving) - pivot]
    if is_part_of(fixed, moving):
        shifts += [step * normal for normal in slab_normals(fixed) for step in _SLAB_STEPS_MM]
    distinct: list[np.ndarray] = []
    for shift in shifts:
        if all(np.linalg.norm(shift - known) > START_SPACING_MM / 4 for known in distinct):
            distinct.append(shift)
    return [_translation(pivot, shift) for shift in distinct]


def _translation(pivot: np.ndarray, shift: np.ndarray) -> sitk.Euler3DTransform:
    """A pure shift whose later rotations turn about the pivot."""
    return sitk.Euler3DTransform(pivot.tolist(), 0.0, 0.0, 0.0, shift.tolist())
