"""What elastix is asked for: one set of its parameters for each stage of a registration."""

from __future__ import annotations

import SimpleITK as sitk

from CSAFusionLib.registration.methods import TransformModel

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
# Of each stage the levels, the finest of the above since a later stage starts close to its end; the iterations of a
# level; and the samples of an iteration, many for control points to see each enough.
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


def elastix_parameters(fixed: sitk.Image, moving: sitk.Image, model: TransformModel, *, seed: int) -> list[Parameters]:
    """Return the parameters of each stage, for two images that are roughly aligned.

    model: RIGID, AFFINE (after rigid) or BSPLINE (after rigid and affine).
    seed: of the random samples, 0 or more.
    """
    return [_stage(transform, fixed, moving, seed) for transform in _STAGES[model]]


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
