"""Tests of what BRAINSFit is asked for."""

from __future__ import annotations

import pytest

from CSAFusionLib.registration.engines.brainsfit_parameters import brainsfit_parameters, transform_parameter
from CSAFusionLib.registration.methods import Method, TransformModel

PHASES = ("useRigid", "useAffine", "useBSpline")


@pytest.mark.parametrize(
    ("model", "phases"),
    [
        (TransformModel.RIGID, (True, False, False)),
        (TransformModel.AFFINE, (True, True, False)),
        (TransformModel.BSPLINE, (True, True, True)),
    ],
)
def test_each_model_is_found_after_the_stiffer_ones(model: TransformModel, phases: tuple[bool, ...]) -> None:
    parameters = brainsfit_parameters(model)
    assert tuple(parameters[name] for name in PHASES) == phases


@pytest.mark.parametrize("model", Method.BRAINS.models)
def test_the_output_fits_the_last_phase(model: TransformModel) -> None:
    is_spline = brainsfit_parameters(model)["useBSpline"]
    assert transform_parameter(model) == ("bsplineTransform" if is_spline else "linearTransform")


def test_the_grid_of_control_points_has_at_least_three_on_each_axis() -> None:
    sizes = brainsfit_parameters(TransformModel.BSPLINE)["splineGridSize"].split(",")
    assert len(sizes) == 3
    assert all(int(size) >= 3 for size in sizes)
