"""Registration by landmarks matched across modalities; rigid, affine or deformable.

The way of the article's preprocessing: landmarks are found and matched, outliers removed, a rigid or affine motion is
estimated, and a light deformation is added where it is asked for.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.initialisation import find_start
from CSAFusionLib.registration.landmarks.counterparts import Level, find_pairs
from CSAFusionLib.registration.landmarks.deformation import smooth_deformation
from CSAFusionLib.registration.landmarks.motion import Motion, agree, fit_affine, fit_rigid
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks
from CSAFusionLib.registration.methods import TransformModel

_STAGE = "Matching landmarks"

_COARSE, _FINE, _LOCAL = Level(4.0, 3), Level(2.0, 2), Level(2.0, 3)
_COARSE_TOLERANCE_MM, _FINE_TOLERANCE_MM, _LOCAL_TOLERANCE_MM = 4.0, 3.0, 2.0

# Of matches at random fewer agree on one motion.
_FEWEST, _LEAST_SHARE = 12, 0.2


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
    """Find the transform from fixed to moving points, LPS mm.

    fixed, moving: scalar float32, as :func:`CSAFusionLib.registration.preparation.prepare` makes them.
    model: RIGID gives an Euler3DTransform, AFFINE an AffineTransform, BSPLINE a CompositeTransform of an affine
        transform and a B-spline deformation, the deformation applied first.
    seed: of the random samples, 0 or more.
    threads: None is one, with which the same input and seed give the same transform.
    masks: where the two are compared.

    Raises RegistrationError when too few landmarks agree on one motion; Cancelled from ``progress``.
    """
    pairs_of = partial(find_pairs, fixed, moving, masks=masks)
    steps = 4 if model is TransformModel.BSPLINE else 3
    at_step = partial(partial, progress, _STAGE)
    transform: sitk.Transform = find_start(
        fixed, moving, seed=seed, threads=threads or 1, on_iteration=at_step(0, steps), masks=masks
    )
    points, targets = pairs_of(transform, _COARSE, at_step(1, steps))
    transform = _linear(points, targets, TransformModel.RIGID, _COARSE_TOLERANCE_MM, seed)
    points, targets = pairs_of(transform, _FINE, at_step(2, steps))
    transform = _linear(points, targets, model, _FINE_TOLERANCE_MM, seed)
    if model is TransformModel.BSPLINE:
        points, targets = pairs_of(transform, _LOCAL, at_step(3, steps))
        transform = _with_deformation(transform, points, targets)
    progress(_STAGE, steps, steps)
    return transform


def _linear(
    points: np.ndarray, targets: np.ndarray, model: TransformModel, tolerance_mm: float, seed: int
) -> sitk.Transform:
    agreeing = np.zeros(len(points), bool)
    rigid = model is TransformModel.RIGID
    if len(points) >= _FEWEST:
        fit = fit_rigid if rigid else fit_affine
        motion, agreeing = agree(points, targets, fit, tolerance_mm=tolerance_mm, seed=seed)
    if agreeing.sum() < max(_FEWEST, _LEAST_SHARE * len(points)):
        raise RegistrationError(
            f"Only {agreeing.sum()} of {len(points)} landmarks agree on how the two volumes lie; check that both show "
            f"the same anatomy, or use the method 'sitk'."
        )
    return _as_transform(motion, points.mean(axis=0), sitk.Euler3DTransform() if rigid else sitk.AffineTransform(3))


def _as_transform(motion: Motion, centre: np.ndarray, transform: sitk.Transform) -> sitk.Transform:
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(motion.matrix.ravel().tolist())
    transform.SetTranslation((motion(centre[None])[0] - centre).tolist())
    return transform


def _with_deformation(affine: sitk.AffineTransform, points: np.ndarray, targets: np.ndarray) -> sitk.CompositeTransform:
    back = affine.GetInverse()
    undone = np.array([back.TransformPoint(target) for target in targets.tolist()])
    deformation = smooth_deformation(points, undone - points, tolerance_mm=_LOCAL_TOLERANCE_MM)
    return sitk.CompositeTransform([affine, deformation])
