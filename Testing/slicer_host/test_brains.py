"""BRAINSFit runs beside Slicer, and leaves the scene as it was, however it ends. (Against the stand-in.)"""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.slicer_host.brains import BrainsRegistration, is_available
from CSAFusionLib.slicer_host.reading import volume_from_node
from Testing.host.command_line_modules import install_brainsfit
from Testing.host.scene import OBLIQUE, a_blob, a_linear_transform_node, a_volume_node, rotation, snapshot

FIXED_TO_MOVING_RAS = rotation(12, (3, -4, 5), axis=1)


@pytest.fixture
def brainsfit(monkeypatch):
    brainsfit = install_brainsfit(monkeypatch)
    brainsfit.fixed_to_moving_ras = FIXED_TO_MOVING_RAS
    return brainsfit


@pytest.fixture
def volumes():
    """Of two nodes of the user's, the moving one under a transform."""
    fixed = a_volume_node("F", a_blob(), OBLIQUE)
    moving = a_volume_node("M", a_blob(seed=1), OBLIQUE, parent=a_linear_transform_node(rotation(20)))
    return volume_from_node(fixed), volume_from_node(moving)


def run_to_end(run: BrainsRegistration):
    for polls in range(20):
        result = run.poll()
        if result is not None:
            return result, polls
    raise AssertionError("the run does not end")


def test_the_transform_goes_from_fixed_to_moving_points_in_lps(brainsfit, volumes):
    run = BrainsRegistration(*volumes, TransformModel.RIGID)
    run.start()
    result, polls = run_to_end(run)
    assert polls == brainsfit.polls
    expected = (FIXED_TO_MOVING_RAS @ [-7, -8, 9, 1])[:3] * [-1, -1, 1]
    np.testing.assert_allclose(result.transform.TransformPoint((7, 8, 9)), expected, atol=1e-9)
    assert (result.method, result.model) == (Method.BRAINS, TransformModel.RIGID)
    assert result.seconds > 0


def test_waiting_gives_the_result_at_once(brainsfit, volumes):
    run = BrainsRegistration(*volumes, TransformModel.RIGID)
    run.start(wait=True)
    assert run.poll() is not None


@pytest.mark.parametrize("model", [TransformModel.RIGID, TransformModel.AFFINE])
def test_the_phases_are_those_of_the_model(brainsfit, volumes, model):
    BrainsRegistration(*volumes, model).start(wait=True)
    (asked,) = brainsfit.asked
    assert asked["useRigid"] is True and asked["useAffine"] is (model is TransformModel.AFFINE)


def test_brainsfit_sees_the_volumes_where_they_are_and_not_the_users_nodes(brainsfit, volumes):
    seen = {}
    remember = brainsfit.run

    def run(parameters, wait):
        for name in ("fixedVolume", "movingVolume"):
            seen[name] = volume_from_node(parameters[name])
            assert parameters[name].GetName() not in ("F", "M") and parameters[name].GetHideFromEditors()
        return remember(parameters, wait)

    brainsfit.run = run
    BrainsRegistration(*volumes, TransformModel.RIGID).start(wait=True)
    for volume, name in zip(volumes, ("fixedVolume", "movingVolume"), strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), sitk.GetArrayFromImage(seen[name].image))
        np.testing.assert_allclose(seen[name].image.GetOrigin(), volume.image.GetOrigin(), atol=1e-9)
        np.testing.assert_allclose(seen[name].image.GetDirection(), volume.image.GetDirection(), atol=1e-9)


def test_of_colour_the_luminance_is_registered(brainsfit):
    colours = np.zeros((3, 4, 5, 3), np.uint8)
    colours[..., 1] = 100
    colour = volume_from_node(a_volume_node("RGB", colours, OBLIQUE))
    grey = volume_from_node(a_volume_node("F", a_blob(), OBLIQUE))
    BrainsRegistration(grey, colour, TransformModel.RIGID).start(wait=True)
    np.testing.assert_allclose(brainsfit.asked[0]["images"]["movingVolume"], 58.7, rtol=1e-6)


def test_after_success_the_scene_is_as_before(brainsfit, volumes):
    before = snapshot()
    run = BrainsRegistration(*volumes, TransformModel.RIGID)
    run.start()
    assert snapshot() != before
    run_to_end(run)
    assert snapshot() == before


def test_an_error_is_told_from_the_output_text_and_the_scene_is_as_before(brainsfit, volumes):
    before = snapshot()
    brainsfit.error = "itk::ExceptionObject\n  Description: all samples map outside the moving image  "
    run = BrainsRegistration(*volumes, TransformModel.RIGID)
    run.start()
    with pytest.raises(RegistrationError, match="^BRAINSFit failed: Description: all samples map outside the moving"):
        run_to_end(run)
    assert snapshot() == before


def test_after_cancelling_the_nodes_stay_until_the_process_is_gone(brainsfit, volumes):
    before = snapshot()
    run = BrainsRegistration(*volumes, TransformModel.RIGID)
    run.start()
    assert run.poll() is None
    run.cancel()
    assert run.poll() is None
    assert snapshot() != before
    with pytest.raises(RegistrationError, match="was ended"):
        run.poll()
    assert snapshot() == before


def test_closing_the_scene_during_a_run_gives_no_result(brainsfit, volumes, scene):
    run = BrainsRegistration(*volumes, TransformModel.RIGID)
    run.start()
    scene.Clear(False)
    with pytest.raises(RegistrationError, match="was ended"):
        run_to_end(run)


def test_a_run_that_cannot_be_started_leaves_nothing(brainsfit, volumes):
    before = snapshot()
    brainsfit.run = None
    with pytest.raises(TypeError):
        BrainsRegistration(*volumes, TransformModel.RIGID).start()
    assert snapshot() == before


def test_a_deformation_is_refused_before_anything_runs(brainsfit, volumes):
    before = snapshot()
    with pytest.raises(RegistrationError, match="Deformable"):
        BrainsRegistration(*volumes, TransformModel.SYN).start()
    assert snapshot() == before and brainsfit.asked == []


def test_a_slicer_without_brainsfit_says_so(brainsfit, volumes, monkeypatch):
    assert is_available()
    monkeypatch.delattr(slicer.modules, "brainsfit")
    assert not is_available()
    with pytest.raises(RegistrationError, match="has no BRAINSFit"):
        BrainsRegistration(*volumes, TransformModel.RIGID).start()
