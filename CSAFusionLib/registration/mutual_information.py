"""One level of registration: move a transform until the mutual information of two images is greatest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks

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

    Powell's method: on thick slices the gradient of the sampled metric misleads a descent, which then stops a
    millimetre short; line searches over the value alone do not (Mattes et al. 2003; Powell 1964).

    fixed, moving: scalar float32.
    transform: a linear transform with a centre, from fixed to moving points (LPS mm).
    step_mm: length of the first steps; lines are searched to a tenth of it.
    samples: voxels of the fixed image that are looked at, drawn at random; all where it has no more.
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
    """Calls back at each iteration and keeps what is raised there: through ITK it passes only as a RuntimeError.

    Raising is also the one way to stop: Powell's method in ITK does not look at StopRegistration().
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
