"""Use a transform that is already known: in place of a registration, to start one, or to resample another volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import ijk_to_lps, lowest_value, resample_to_grid, set_ijk_to_lps
from CSAFusionLib.geometry.transform_algebra import as_affine, as_rigid, linear_matrix
from CSAFusionLib.intensity.voxel_values import in_whole_numbers, own_values, within_float32
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.masks import RegistrationMasks
from CSAFusionLib.registration.preparation import overlap
from CSAFusionLib.registration.register import RegistrationRun
from CSAFusionLib.registration.registration import Method, Registration, TransformModel
from CSAFusionLib.registration.transform_files import GivenTransform
from CSAFusionLib.volumes.volume import Volume

_RIGID = 1e-5


def as_registration(fixed: Volume, moving: Volume, given: GivenTransform, progress: Progress = silent) -> Registration:
    """Return a given transform as a registration, with its quality.

    Raises InputError where under the transform the volumes do not meet; Cancelled from ``progress``.
    """
    check_meeting(fixed, moving, given.transform)
    known = Registration(given.transform, Method.NONE, None, 0.0, warnings=given.notes, given=given.sources)
    run = RegistrationRun(Method.NONE, TransformModel.RIGID, progress=progress, known=known)
    return run.registered(within_float32(fixed), within_float32(moving))


def register_from(
    fixed: Volume, moving: Volume, given: GivenTransform, register: Callable[[Volume, Volume], Registration]
) -> Registration:
    """Register with the moving volume put where a given transform has it; that place takes the part of the headers.

    The check's figures of before the registration are those of the given transform.

    register: finds the transform from the fixed to the moving volume it is given.

    Raises InputError where under the given transform the volumes do not meet, and what ``register`` raises.
    """
    check_meeting(fixed, moving, given.transform)
    found = register(fixed, replace(moving, image=placed(moving.image, fixed.image, given.transform)))
    return replace(
        found,
        transform=_one_after_the_other(found.transform, given.transform, found.model),
        warnings=(*given.notes, *found.warnings),
        started_from=given.sources,
    )


def masks_from(masks: RegistrationMasks, fixed: Volume, given: GivenTransform) -> RegistrationMasks:
    """Return masks with the moving one put where a given transform has its volume, as :func:`register_from` does."""
    if masks.moving is None:
        return masks
    if given.transform.IsLinear():
        return replace(masks, moving=placed(masks.moving, fixed.image, given.transform))
    # Outside its grid nothing is marked, which is not its lowest value where it marks all of it.
    on_fixed = sitk.Resample(masks.moving, fixed.image, given.transform, sitk.sitkNearestNeighbor, 0)
    return replace(masks, moving=on_fixed)


def check_meeting(fixed: Volume, moving: Volume, transform: sitk.Transform) -> None:
    """Raise InputError when a transform, from fixed to moving points, takes no fixed voxel into the moving volume."""
    if overlap(fixed.image, moving.image, transform):
        return
    advice = "check that it was found between these two"
    if transform.IsLinear() and overlap(fixed.image, moving.image, as_affine(transform).GetInverse()):
        advice = "its inverse does, so it seems to go from moving to fixed points (--inverse)"
    raise InputError(f"Under the given transform '{moving.name}' does not reach '{fixed.name}' anywhere; {advice}.")


def placed(moving: sitk.Image, fixed: sitk.Image, transform: sitk.Transform) -> sitk.Image:
    """Put a moving image where a transform has it: by its header, or, for a deformation, resampled on the fixed grid.

    transform: from fixed to moving points, LPS mm.
    """
    if not transform.IsLinear():
        return sitk.Resample(moving, fixed, transform, sitk.sitkLinear, lowest_value(moving))
    image = sitk.Image(moving)
    set_ijk_to_lps(image, np.linalg.inv(linear_matrix(transform)) @ ijk_to_lps(moving))
    return image


def _one_after_the_other(first: sitk.Transform, second: sitk.Transform, model: TransformModel | None) -> sitk.Transform:
    """One transform for two, the first applied first; of two linear ones a rigid one where nothing else is needed."""
    both = sitk.CompositeTransform([second, first])
    if not both.IsLinear():
        return both
    affine = as_affine(both)
    square = np.reshape(affine.GetMatrix(), (3, 3))
    is_rigid = np.abs(square @ square.T - np.eye(3)).max() < _RIGID and np.linalg.det(square) > 0
    return as_rigid(affine) if is_rigid and model in (None, TransformModel.RIGID) else affine


def apply_to(moving: Volume, reference: Volume, transform: sitk.Transform, *, labels: bool = False) -> sitk.Image:
    """Bring a volume onto the grid of another.

    Args:
        transform: takes points of the reference to points of the moving volume, LPS mm.
        labels: take the nearest voxel's label instead of interpolating; 0 where the volume does not reach.

    Returns:
        Labels and colours in the number type of the volume; intensities as float32, or as float64 where the volume's
        own values need it, with its lowest value where it does not reach.

    Raises:
        InputError: the volume does not reach the reference, or a volume in colour is to hold labels.
    """
    check_meeting(reference, moving, transform)
    image = moving.image
    if labels:
        if moving.is_colour:
            raise InputError(f"'{moving.name}' is in colour, which labels are not; leave --labels out.")
        return sitk.Resample(image, reference.image, transform, sitk.sitkNearestNeighbor, 0.0, image.GetPixelID())
    if moving.is_colour:
        return in_whole_numbers(resample_to_grid(image, reference.image, transform), image)
    narrow = within_float32(moving)
    brought = resample_to_grid(narrow.image, reference.image, transform, lowest_value(narrow.image))
    return own_values(brought, narrow)
