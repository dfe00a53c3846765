"""Where a registration starts: the best of several rough alignments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.registration.check.figures import agreement
from CSAFusionLib.registration.preparation import centre, coarsen, foreground_centre
from CSAFusionLib.registration.search.mutual_information import maximise

# A head is some twenty voxels wide: rough enough to be fast, fine enough to tell its sides apart.
START_SPACING_MM = 8.0


def find_start(
    fixed: sitk.Image, moving: sitk.Image, *, seed: int, threads: int, on_iteration: Callable[[], None]
) -> sitk.Euler3DTransform:
    """Find a rough rigid alignment, from fixed to moving points (LPS mm).

    Header geometry, centres of the fields of view, and centroids of the foregrounds are each tried as a start,
    improved on coarse images, and compared there.

    fixed, moving: scalar float32.
    """
    coarse_fixed, coarse_moving = coarsen(fixed, START_SPACING_MM), coarsen(moving, START_SPACING_MM)
    starts = _candidates(coarse_fixed, coarse_moving)
    for start in starts:
        maximise(
            coarse_fixed,
            coarse_moving,
            start,
            step_mm=START_SPACING_MM / 2,
            seed=seed,
            threads=threads,
            on_iteration=on_iteration,
        )
    return max(starts, key=lambda start: agreement(coarse_fixed, coarse_moving, start))


def _candidates(fixed: sitk.Image, moving: sitk.Image) -> list[sitk.Euler3DTransform]:
    pivot = foreground_centre(fixed)
    shifts = [np.zeros(3), centre(moving) - centre(fixed), foreground_centre(moving) - pivot]
    distinct: list[np.ndarray] = []
    for shift in shifts:
        if all(np.linalg.norm(shift - known) > START_SPACING_MM / 4 for known in distinct):
            distinct.append(shift)
    return [_translation(pivot, shift) for shift in distinct]


def _translation(pivot: np.ndarray, shift: np.ndarray) -> sitk.Euler3DTransform:
    """A pure shift whose later rotations turn about the pivot."""
    return sitk.Euler3DTransform(pivot.tolist(), 0.0, 0.0, 0.0, shift.tolist())
