"""Where a registration starts: the best of several rough alignments."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.geometry.resampling import field_of_view
from CSAFusionLib.geometry.transform_algebra import inverse
from CSAFusionLib.registration.mutual_information import maximise
from CSAFusionLib.registration.preparation import centre, coarsen, foreground_centre, is_part_of, slab_normals
from CSAFusionLib.registration.quality.agreement import agreement

# A head is some twenty voxels wide: rough enough to be fast, fine enough to tell its sides apart.
START_SPACING_MM = 8.0
_SAMPLES = 10_000

# Steps along the normal of a slab from where its header places it in a whole; a start finds what is half a step away.
_SLAB_STEPS_MM = (-45.0, -30.0, -15.0, 15.0, 30.0, 45.0)


def find_start(
    fixed: sitk.Image, moving: sitk.Image, *, seed: int, threads: int, on_iteration: Callable[[], None]
) -> sitk.Euler3DTransform:
    """Find a rough rigid alignment, from fixed to moving points (LPS mm).

    Header geometry, centres of the fields of view, and centroids of the foregrounds are each tried as a start, for a
    slab in a whole also places along its normal; each is improved on coarse images, and they are compared there.

    fixed, moving: scalar float32.

    Raises RegistrationError when the search leaves the moving image from every start.
    """
    if is_part_of(moving, fixed):
        found = find_start(moving, fixed, seed=seed, threads=threads, on_iteration=on_iteration)
        return sitk.Euler3DTransform(inverse(found))
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
    )
    starts = _improved(_candidates(coarse_fixed, coarse_moving), improve)
    return max(starts, key=lambda start: agreement(coarse_fixed, coarse_moving, start))


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


_IDENTITY = sitk.Transform(3, sitk.sitkIdentity)

# Of voxels this far apart one mostly tells at once that two volumes overlap.
_EVERY = 8

# Rough enough to try a few hundred places in a second, fine enough for a search that starts there.
_SPACING_MM = 16.0
_STEP_MM = 24.0
_MOST_STEPS = 9


def meet(fixed: sitk.Image, moving: sitk.Image) -> bool:
    """Whether any voxel of the fixed image lies in the moving field of view by their headers."""
    return overlap(fixed, moving, _IDENTITY)


def overlap(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> bool:
    """Whether a transform takes any voxel of the fixed image into the moving field of view.

    transform: from fixed to moving points, LPS mm.
    """
    few = fixed[::_EVERY, ::_EVERY, ::_EVERY]
    return any(sitk.GetArrayFromImage(field_of_view(moving, image, transform)).any() for image in (few, fixed))


def centred(fixed: sitk.Image, moving: sitk.Image) -> tuple[sitk.Image, np.ndarray]:
    """Put the moving image onto the fixed one by its header, where the two agree most without a turn.

    fixed, moving: scalar float32, in the order of :func:`CSAFusionLib.registration.preparation.in_one_order`.

    Tried are all shifts by which one field of view holds the other along each axis, and those half way out of it.
    Returns the image, and the shift that takes it back to where it was, (3,) mm.
    """
    coarse_fixed, coarse_moving = coarsen(fixed, _SPACING_MM), coarsen(moving, _SPACING_MM)
    shift = centre(moving) - centre(fixed)
    room = np.abs(np.subtract(*(_extent(image) for image in (fixed, moving)))) / 2
    tried = [shift + np.array(step) for step in itertools.product(*map(_steps, room))]
    best = max(
        tried, key=lambda step: agreement(coarse_fixed, coarse_moving, sitk.TranslationTransform(3, step.tolist()))
    )
    placed = sitk.Image(moving)
    placed.SetOrigin((np.array(moving.GetOrigin()) - best).tolist())
    return placed, best


def _extent(image: sitk.Image) -> np.ndarray:
    """The sides of the box along the axes of the patient that holds the field of view, (3,) mm."""
    sides = np.multiply(image.GetSize(), image.GetSpacing())
    return np.abs(np.reshape(image.GetDirection(), (3, 3))) @ sides


def _steps(room: float) -> np.ndarray:
    """Steps from the middle both ways, as far as there is room, the middle among them; mm."""
    count = min(_MOST_STEPS // 2, round(room / _STEP_MM))
    return np.linspace(-room, room, 2 * count + 1) if count else np.zeros(1)
