"""Two nodes in, one fused node out, while Slicer waits; the fusion itself is tested in Testing/fusion."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from CSAFusionLib.errors import Cancelled, InputError, RegistrationError
from CSAFusionLib.fusion.pipeline import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.registration.methods import Method
from CSAFusionLib.registration.result import RegistrationResult
from CSAFusionLib.slicer_host.fusion import fuse_nodes, read_pair
from Testing.host.command_line_modules import install_brainsfit
from Testing.host.scene import (
    LEFT_HANDED,
    OBLIQUE,
    a_blob,
    a_linear_transform_node,
    a_nonlinear_transform_node,
    a_volume_node,
    rotation,
    snapshot,
)

SHIFT = RegistrationResult(sitk.TranslationTransform(3, (1.0, 2.0, 3.0)), Method.SITK, None, 0.1)


@pytest.fixture
def calls(monkeypatch) -> list:
    """Stands in for ``fuse_volumes``: notes how it is called and gives the fixed image back."""
    calls = []

    def fuse_volumes(fixed, moving, settings, *, registration, progress):
        progress("fusion", 1, 1)
        calls.append((fixed, moving, settings, registration))
        image = sitk.Cast(fixed.image, sitk.sitkFloat32)
        return FusionResult(image, image, image, image, registration or SHIFT, {"notice": "n"}, [])

    monkeypatch.setattr("CSAFusionLib.slicer_host.fusion.fuse_volumes", fuse_volumes)
    return calls


@pytest.fixture
def nodes():
    return a_volume_node("F", a_blob(), OBLIQUE), a_volume_node("M", a_blob(seed=1), LEFT_HANDED)


def test_the_fused_node_is_all_that_is_added(calls, nodes):
    before = snapshot()
    fused = fuse_nodes(*nodes, FusionSettings())
    after = snapshot()
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {fused.GetID(), fused.GetDisplayNodeID()}
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(fused), a_blob())


def test_both_volumes_are_given_in_the_frame_of_the_fixed_node():
    of_fixed = a_linear_transform_node(rotation(20, (1, 2, 3)))
    of_moving = a_linear_transform_node(rotation(-30, (4, 5, 6), axis=0), parent=of_fixed)
    fixed = a_volume_node("F", a_blob(), OBLIQUE, parent=of_fixed)
    moving = a_volume_node("M", a_blob(), LEFT_HANDED, parent=of_moving)
    fixed_volume, moving_volume = read_pair(fixed, moving)
    np.testing.assert_allclose(ijk_to_ras(fixed_volume.image), OBLIQUE, atol=1e-12)
    expected = rotation(-30, (4, 5, 6), axis=0) @ LEFT_HANDED
    np.testing.assert_allclose(ijk_to_ras(moving_volume.image), expected, atol=1e-9)


def test_a_fixed_volume_under_a_nonlinear_transform_keeps_its_voxels_and_the_result_follows_it(calls):
    parent = a_nonlinear_transform_node()
    fixed = a_volume_node("F", a_blob(), OBLIQUE, parent=parent)
    moving = a_volume_node("M", a_blob(), OBLIQUE, parent=parent)
    before = snapshot()
    fused = fuse_nodes(fixed, moving, FusionSettings())
    assert {key: state for key, state in snapshot().items() if key in before} == before
    assert fused.GetParentTransformNode() is parent
    for volume in calls[0][:2]:
        np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), a_blob())


def test_the_registration_goes_into_the_transform_node_asked_for(calls, nodes, scene):
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    fuse_nodes(*nodes, FusionSettings(), None, transform)
    matrix = slicer.util.arrayFromTransformMatrix(transform)
    np.testing.assert_allclose(matrix[:3, 3], [1, 2, -3], atol=1e-12)


def test_brainsfit_runs_first_and_its_transform_is_used(calls, nodes, monkeypatch):
    install_brainsfit(monkeypatch).fixed_to_moving_ras = rotation(0, (1, 2, 3))
    before = snapshot()
    fused = fuse_nodes(*nodes, FusionSettings(registration=Method.BRAINS))
    (_, _, _, registration) = calls[0]
    np.testing.assert_allclose(registration.transform.TransformPoint((0, 0, 0)), (-1, -2, 3), atol=1e-12)
    assert set(snapshot()) - set(before) == {fused.GetID(), fused.GetDisplayNodeID()}


def test_an_error_leaves_the_scene_as_it_was(calls, nodes, monkeypatch):
    install_brainsfit(monkeypatch).error = "no"
    before = snapshot()
    with pytest.raises(RegistrationError):
        fuse_nodes(*nodes, FusionSettings(registration=Method.BRAINS))
    with pytest.raises(InputError, match="Select the moving"):
        fuse_nodes(nodes[0], None, FusionSettings())
    with pytest.raises(InputError, match="Select the fixed"):
        fuse_nodes(None, nodes[1], FusionSettings())
    assert snapshot() == before


def test_cancelling_from_the_progress_callback_leaves_the_scene_as_it_was(calls, nodes):
    def cancel(stage, done, total):
        raise Cancelled

    before = snapshot()
    with pytest.raises(Cancelled):
        fuse_nodes(*nodes, FusionSettings(), progress=cancel)
    assert snapshot() == before
