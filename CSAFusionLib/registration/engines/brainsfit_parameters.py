"""What BRAINSFit is asked for, in Slicer and from a shell alike."""

from __future__ import annotations

from typing import Any

from CSAFusionLib.registration.methods import TransformModel


def brainsfit_parameters(model: TransformModel) -> dict[str, Any]:
    """Return BRAINSFit's parameters by their names, without its volumes and its output.

    model: RIGID, AFFINE (after rigid) or BSPLINE (after rigid and affine).
    """
    return {
        "initializeTransformMode": "useMomentsAlign",
        "useRigid": True,
        "useAffine": model is not TransformModel.RIGID,
        "useBSpline": model is TransformModel.BSPLINE,
        "splineGridSize": "14,10,12",
        "costMetric": "MMI",
        "samplingPercentage": 0.02,
        "numberOfHistogramBins": 50,
        "maskProcessingMode": "NOMASK",
    }


def transform_parameter(model: TransformModel) -> str:
    """Return the name of the output that takes the transform: BRAINSFit ends with an error when it is the wrong one."""
    return "bsplineTransform" if model is TransformModel.BSPLINE else "linearTransform"
