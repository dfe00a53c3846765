"""Registration by mutual information over several resolutions, with SimpleITK alone; rigid or affine.

The best of several rough alignments, which other engines start from too, is refined level by level.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.geometry.grid import centre, coarsen
from CSAFusionLib.geometry.transform_algebra import inverse
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.preparation import foreground_centre, is_part_of, slab_normals
from CSAFusionLib.registration.quality.similarity import agreement
from CSAFusionLib.registration.registration import NO_MASKS, RegistrationMasks, TransformModel

_BINS = 64
_SWEEPS = 20
_LINE_STEPS = 20
_VALUE_TOLERANCE = 1e-3


def maximise(
    fixed: sitk.Image,
    moving: sitk.Image,
    transform: sitk.Transform,
    *,
    step_mm: float,
    samples: int,
    seed: int,
    threads: int,
    on_iteration: Callable[[], None],
    masks: RegistrationMasks = NO_MASKS,
) -> None:
    """Change ``transform`` in place to where Mattes mutual information is at its nearest maximum.

    Powell's method is used because on thick slices the gradient of the sampled metric misleads a descent, which then
    stops a millimetre short; line searches over the value alone do not (Mattes et al. 2003; Powell 1964).

    fixed, moving: scalar float32.
    transform: a linear transform with a centre, from fixed to moving points (LPS mm).
    step_mm: length of the first steps; lines are searched to a tenth of it.
    samples: how many voxels of the fixed image are drawn at random; all if it has no more.
    masks: where the two are compared; samples are drawn inside.
    on_iteration: called first and after each sweep over the parameters; what it raises stops the search.

    Raises RegistrationError when no sample of the fixed image falls in the moving one.
    """
    on_iteration()
    search = sitk.ImageRegistrationMethod()
    search.SetNumberOfThreads(threads)
    search.SetInterpolator(sitk.sitkLinear)
    _set_metric(search, samples / (fixed.GetNumberOfPixels() * masks.share_of(fixed)), seed, masks)
    search.SetOptimizerAsPowell(_SWEEPS, _LINE_STEPS, step_mm, step_mm / 10, _VALUE_TOLERANCE)
    search.SetOptimizerScales(_scales(fixed, transform))
    search.SetInitialTransform(transform, inPlace=True)
    _execute(search, fixed, moving, on_iteration)


def _set_metric(search: sitk.ImageRegistrationMethod, share: float, seed: int, masks: RegistrationMasks) -> None:
    search.SetMetricAsMattesMutualInformation(_BINS)
    # Only the value is used, so the gradient images need not be computed.
    search.SetMetricUseFixedImageGradientFilter(False)
    search.SetMetricUseMovingImageGradientFilter(False)
    if masks.fixed is not None:
        search.SetMetricFixedMask(masks.fixed)
    if masks.moving is not None:
        search.SetMetricMovingMask(masks.moving)
    # ITK draws from all voxels and then leaves out those outside the mask.
    if share < 1:
        search.SetMetricSamplingStrategy(search.RANDOM)
        # ITK takes 0 for "seed from the clock".
        search.SetMetricSamplingPercentage(share, seed + 1)


def _scales(fixed: sitk.Image, transform: sitk.Transform) -> list[float]:
    """Millimetres a typical voxel moves for one unit of each parameter, so that all steps are in mm.

    Set by hand: ITK's estimate from physical shifts gives their squares, which Powell's method does not undo.
    """
    sides = np.multiply(fixed.GetSize(), fixed.GetSpacing())
    radius = float(np.sqrt(np.sum(sides**2) / 12))
    return [radius] * (transform.GetNumberOfParameters() - 3) + [1.0] * 3


def _execute(
    search: sitk.ImageRegistrationMethod, fixed: sitk.Image, moving: sitk.Image, on_iteration: Callable[[], None]
) -> None:
    watch = _Watch(on_iteration)
    search.AddCommand(sitk.sitkIterationEvent, watch)
    try:
        search.Execute(fixed, moving)
    except RuntimeError as error:
        if watch.raised is not None:
            raise watch.raised from None
        raise RegistrationError(
            "The search for the best alignment left the moving volume; check that both volumes show the same "
            "anatomy, or align them roughly first."
        ) from error
    finally:
        search.RemoveAllCommands()


class _Watch(sitk.Command):
    """Calls back at each iteration and keeps what is raised there, which ITK would pass on only as a RuntimeError.

    Raising is also the only way to stop: Powell's method in ITK ignores StopRegistration().
    """

    def __init__(self, on_iteration: Callable[[], None]) -> None:
        super().__init__()
        self._on_iteration = on_iteration
        self.raised: BaseException | None = None

    def Execute(self) -> None:
        try:
            self._on_iteration()
        except BaseException as error:
            self.raised = error
            raise


# A head is some twenty voxels wide: rough enough to be fast, fine enough to tell its sides apart.
START_SPACING_MM = 8.0
_SAMPLES = 10_000

# Steps along the normal of a slab from its header position in a whole volume; a start finds what is half a step away.
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

    The starts are the header geometry, the centres of the fields of view, the centroids of the foregrounds and, for a
    slab in a whole volume, places along its normal. Each is refined on coarse images, on which the results are then
    compared.

    fixed, moving: scalar float32.
    masks: where the two are compared; ignored if a mask holds too little at this resolution.

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
    """The refined starts, without those from which the search left the moving volume."""
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
