"""Whether two volumes meet by their headers, and where to put one that does not."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.geometry.resampling import field_of_view
from CSAFusionLib.registration.check.figures import agreement
from CSAFusionLib.registration.preparation import centre, coarsen

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
