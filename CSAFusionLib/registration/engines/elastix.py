"""Rigid, affine and B-spline registration with elastix, through the package itk-elastix."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.files.atomic_write import content_writer
from CSAFusionLib.geometry.transform_algebra import as_affine, as_rigid
from CSAFusionLib.progress import Progress, silent
from CSAFusionLib.registration.engines.engine_process import (
    check_installed,
    exchange_folder,
    hand_over,
    run_module,
    takes_result,
)
from CSAFusionLib.registration.engines.mutual_information import find_start
from CSAFusionLib.registration.registration import NO_MASKS, RegistrationMasks, TransformModel

_STAGE = "Registering with elastix"


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
    model: RIGID gives an Euler3DTransform, AFFINE an AffineTransform, BSPLINE a CompositeTransform of linear
        transforms and a B-spline.
    seed: seed of elastix' random samples, 0 or more.
    threads: None means one, for which the same input and seed give the same transform.
    masks: where the two are compared.

    Raises RegistrationError when itk-elastix is not installed or elastix fails; Cancelled from ``progress``.
    """
    check_installed("elastix", "itk-elastix")
    threads = threads or 1
    on_wait = partial(progress, _STAGE, 0, 0)
    on_wait()
    start = find_start(fixed, moving, seed=seed, threads=threads, on_iteration=on_wait, masks=masks)
    # elastix begins where the start brings the moving image; what it finds is then a step before the start.
    placed = sitk.TransformGeometry(moving, start)
    if masks.moving is not None:
        masks = replace(masks, moving=sitk.TransformGeometry(masks.moving, start))
    stages = elastix_parameters(fixed, placed, model, seed=seed, masks=masks)
    with exchange_folder(fixed, placed, masks) as folder:
        hand_over(folder, {"parameters.json": content_writer(json.dumps(stages))})
        run_module("elastix", "elastix_child", [str(folder), str(threads)], folder, threads=threads, on_wait=on_wait)
        with takes_result("elastix"):
            return _read_result(folder / f"TransformParameters.{len(stages) - 1}-Composite.h5", start, model)


def _read_result(file: Path, start: sitk.Euler3DTransform, model: TransformModel) -> sitk.Transform:
    found = sitk.CompositeTransform([start, sitk.ReadTransform(str(file))])
    if model is TransformModel.RIGID:
        return as_rigid(found)
    if model is TransformModel.AFFINE:
        return as_affine(found)
    found.FlattenTransform()
    return found


Parameters = dict[str, list[str]]

# Voxels of about this width, then the image's own: errors of a fifth of a voxel are lost in what is coarser.
_SPACINGS_MM = (4.0, 2.0, 0.0)
# A level keeps this many voxels of an axis, so that a thin slab keeps its slices.
_MINIMUM_LENGTH = 8

_STAGES = {
    TransformModel.RIGID: ("EulerTransform",),
    TransformModel.AFFINE: ("EulerTransform", "AffineTransform"),
    TransformModel.BSPLINE: ("EulerTransform", "AffineTransform", "BSplineTransform"),
}
# For each stage: its levels, only the finest of the above for a later stage, which starts close to its end; the
# iterations of a level; and the samples of an iteration, enough of them for every control point.
_EFFORT = {"EulerTransform": (3, 200, 3000), "AffineTransform": (1, 200, 3000), "BSplineTransform": (2, 60, 6000)}

_COMMON = {
    "Registration": "MultiResolutionRegistration",
    "FixedImagePyramid": "FixedRecursiveImagePyramid",
    "MovingImagePyramid": "MovingRecursiveImagePyramid",
    "Interpolator": "LinearInterpolator",
    "ResampleInterpolator": "FinalLinearInterpolator",
    "Resampler": "DefaultResampler",
    "Metric": "AdvancedMattesMutualInformation",
    "NumberOfHistogramBins": "64",
    "ImageSampler": "Random",
    "NewSamplesEveryIteration": "true",
    "Optimizer": "AdaptiveStochasticGradientDescent",
    "AutomaticParameterEstimation": "true",
    "AutomaticScalesEstimation": "true",
    "HowToCombineTransforms": "Compose",
    "WriteResultImage": "false",
    "WriteITKCompositeTransform": "true",
    "ITKTransformOutputFileNameExtension": "h5",
}

# Control points closer than this follow the noise of the samples, and move a head that did not change shape.
_GRID = {"FinalGridSpacingInPhysicalUnits": "50", "GridSpacingSchedule": "2 1"}

# Of a mask nothing is to be eroded at coarse levels, where little would be left; and a part of the moving image is
# all that a sample need meet.
_IN_MASKS = {"ErodeFixedMask": ["false"], "ErodeMovingMask": ["false"], "RequiredRatioOfValidSamples": ["0.02"]}
# The plain sampler draws from the whole image, and gives up if it seldom meets a small mask.
_IN_FIXED_MASK = {"ImageSampler": ["RandomSparseMask"]}


def elastix_parameters(
    fixed: sitk.Image, moving: sitk.Image, model: TransformModel, *, seed: int, masks: RegistrationMasks = NO_MASKS
) -> list[Parameters]:
    """Return the parameters of each stage, for two images that are roughly aligned.

    model: RIGID, AFFINE (after rigid) or BSPLINE (after rigid and affine).
    seed: seed of the random samples, 0 or more.
    masks: where the two are compared.
    """
    masked = (_IN_MASKS if masks else {}) | (_IN_FIXED_MASK if masks.fixed is not None else {})
    return [_stage(transform, fixed, moving, seed) | masked for transform in _STAGES[model]]


def _stage(transform: str, fixed: sitk.Image, moving: sitk.Image, seed: int) -> Parameters:
    levels, iterations, samples = _EFFORT[transform]
    values = _COMMON | {
        "Transform": transform,
        "NumberOfResolutions": f"{levels}",
        "MaximumNumberOfIterations": f"{iterations}",
        "NumberOfSpatialSamples": f"{samples}",
        "FixedImagePyramidSchedule": _pyramid(fixed, levels),
        "MovingImagePyramidSchedule": _pyramid(moving, levels),
        # elastix takes 0 for "seed from the clock".
        "RandomSeed": f"{seed + 1}",
    }
    if transform == "BSplineTransform":
        values |= _GRID
    return {name: value.split() for name, value in values.items()}


def _pyramid(image: sitk.Image, levels: int) -> str:
    """Factors by which each axis is shrunk, level by level."""
    return " ".join(
        str(max(1, min(round(spacing_mm / spacing), length // _MINIMUM_LENGTH)))
        for spacing_mm in _SPACINGS_MM[-levels:]
        for spacing, length in zip(image.GetSpacing(), image.GetSize(), strict=True)
    )
