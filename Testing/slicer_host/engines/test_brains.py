"""BRAINSFit is asked for what the model needs, and its transform is read back whole. (Against the stand-in.)"""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CSAFusionLib.registration.methods import TransformModel
from CSAFusionLib.slicer_host.engines.command_line import Brains
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from Testing.host.scene import a_b_spline


@pytest.mark.parametrize("model", [TransformModel.RIGID, TransformModel.AFFINE, TransformModel.BSPLINE])
def test_the_phases_and_the_output_are_those_of_the_model(brainsfit, pair, model):
    Brains(*pair, model).start()
    (asked,) = brainsfit.asked
    phases = [asked[f"use{phase}"] for phase in ("Rigid", "Affine", "BSpline")]
    assert phases == [True, model is not TransformModel.RIGID, model is TransformModel.BSPLINE]
    output = "bsplineTransform" if model is TransformModel.BSPLINE else "linearTransform"
    assert asked[output].GetClassName() == f"vtkMRML{'BSpline' if 'spline' in output else 'Linear'}TransformNode"


def test_a_b_spline_comes_back_as_it_was_found(brainsfit, pair):
    brainsfit.fixed_to_moving = a_b_spline(pair[0].image)
    brainsfit.polls = 0
    run = Brains(*pair, TransformModel.BSPLINE)
    run.start()
    transform = run.poll().transform
    assert not transform.IsLinear()
    for index in ((2.0, 3.0, 1.0), (12.0, 10.0, 7.0), (24.0, 20.0, 12.5)):
        point = pair[0].image.TransformContinuousIndexToPhysicalPoint(index)
        found = brainsfit.fixed_to_moving.TransformPoint(point)
        np.testing.assert_allclose(transform.TransformPoint(point), found, atol=1e-9)
        assert np.linalg.norm(np.subtract(found, point)) > 0.1


def test_brainsfit_sees_the_volumes_where_they_are_and_not_the_users_nodes(brainsfit, pair, monkeypatch):
    seen = {}
    remember = brainsfit.run

    def run(parameters):
        for name in ("fixedVolume", "movingVolume"):
            seen[name] = volume_from_node(parameters[name])
            assert parameters[name].GetName() not in ("F", "M") and parameters[name].GetHideFromEditors()
        return remember(parameters)

    monkeypatch.setattr(brainsfit, "run", run)
    Brains(*pair, TransformModel.RIGID).start()
    for volume, name in zip(pair, ("fixedVolume", "movingVolume"), strict=True):
        # A registration may store the axes in another order: the same place in the patient is what counts.
        own, shown = (sitk.DICOMOrient(one.image, "LPS") for one in (volume, seen[name]))
        # The extremes are clamped before a registration.
        close = np.isclose(sitk.GetArrayFromImage(shown), sitk.GetArrayFromImage(own), atol=0.01)
        assert close.mean() > 0.99
        np.testing.assert_allclose(shown.GetOrigin(), own.GetOrigin(), atol=1e-9)
        np.testing.assert_allclose(shown.GetDirection(), own.GetDirection(), atol=1e-9)
