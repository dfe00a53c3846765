"""Rigid and affine registration by mutual information over several resolutions, with SimpleITK alone."""

from __future__ import annotations

from functools import partial

import SimpleITK as sitk

from CSAFusionLib.geometry.grid import coarsen
from CSAFusionLib.geometry.transform_algebra import inverse
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks
from CSAFusionLib.registration.mutual_information import find_start, maximise
from CSAFusionLib.registration.preparation import is_part_of
from CSAFusionLib.registration.registration import TransformModel

_STAGE = "Registering"
# Voxel size (mm) and samples of each level. The last takes the images nearly as they are: on averaged voxels the
# maximum lies some tenths of a millimetre off, and levels between the two only take time.
_LEVELS = ((4.0, 10_000), (1.0, 40_000))


def run(
    fixed: sitk.Image,
    moving: sitk.Image,
    model: TransformModel,
    *,
    seed: int = 0,
    threads: int | None = None,
    masks: RegistrationMasks = NO_MASKS,
    progress: Progress = silent,
) -> sitk.Transform:
    """Find the rigid (Euler3DTransform) or affine (AffineTransform) transform from fixed to moving points, LPS mm.

    fixed, moving: scalar float32, as :func:`CSAFusionLib.registration.preparation.prepare` makes them.
    seed: seed of the random samples, 0 or more.
    threads: None means one; the transform does not depend on it.
    masks: where the two are compared.

    If the moving volume shows only a part of the fixed one, the search runs the other way round: nearly all samples of
    the part lie in the whole and count, while most samples of the whole say nothing about the part.

    Raises RegistrationError when the search leaves the moving image; Cancelled from ``progress``.
    """
    if is_part_of(moving, fixed):
        other = masks.exchanged()
        return inverse(run(moving, fixed, model, seed=seed, threads=threads, masks=other, progress=progress))
    affine = model is TransformModel.AFFINE
    levels = len(_LEVELS)
    steps = 1 + levels * (2 if affine else 1)
    maximise_level = partial(maximise, seed=seed, threads=threads or 1, masks=masks)

    progress(_STAGE, 0, steps)
    transform: sitk.Transform = find_start(
        fixed, moving, seed=seed, threads=threads or 1, on_iteration=partial(progress, _STAGE, 0, steps), masks=masks
    )
    for step in range(1, steps):
        if step == levels + 1:
            transform = _as_affine(transform)
        spacing, samples = _LEVELS[(step - 1) % levels]
        maximise_level(
            coarsen(fixed, spacing),
            coarsen(moving, spacing),
            transform,
            step_mm=spacing / 2,
            samples=samples,
            on_iteration=partial(progress, _STAGE, step, steps),
        )
    progress(_STAGE, steps, steps)
    return transform


def _as_affine(rigid: sitk.Euler3DTransform) -> sitk.AffineTransform:
    return sitk.AffineTransform(rigid.GetMatrix(), rigid.GetTranslation(), rigid.GetCenter())
