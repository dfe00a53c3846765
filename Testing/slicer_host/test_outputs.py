"""A result goes into the nodes that are asked for, and into no others."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util

from CSAFusionLib.fusion.pipeline import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.methods import Method
from CSAFusionLib.registration.registration import Registration
from CSAFusionLib.slicer_host.result_nodes import OPTIONAL, Outputs, place_result
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from Testing.host.scene import LEFT_HANDED, a_blob, a_blob_node, snapshot

SHIFT = Registration(sitk.TranslationTransform(3, (1.0, 2.0, 3.0)), Method.SITK, None, 0.1)


@pytest.fixture
def nodes():
    return a_blob_node("F"), a_blob_node("M", LEFT_HANDED, seed=1)


@pytest.fixture
def result(nodes) -> FusionResult:
    image = sitk.Cast(volume_from_node(nodes[0]).image, sitk.sitkFloat32)
    figures = {f"{name}_{of}": [0.5] * 14 for name in ("ssim", "correlation") for of in ("fixed", "moving")}
    return FusionResult(
        fused=image,
        fixed_mapped=image,
        moving_mapped=image,
        moving_on_grid=2 * image,
        registration=SHIFT,
        provenance={"notice": "n"},
        warnings=[],
        contribution=0 * image,
        figures=figures,
    )


def test_alone_the_fused_volume_is_added(nodes, result):
    before = snapshot()
    placed = place_result(result, FusionSettings(), *nodes, Outputs())
    assert set(placed.nodes()) == {"fused"}
    after = snapshot()
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {placed.fused.GetID(), placed.fused.GetDisplayNodeID()}
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(placed.fused), a_blob())


def test_everything_can_be_asked_for(nodes, result):
    placed = place_result(result, FusionSettings(), *nodes, Outputs(make=OPTIONAL))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(placed.registered), 2 * a_blob())
    assert slicer.util.arrayFromVolume(placed.contribution).max() == 0
    assert placed.slice_table.GetNumberOfRows() == 14
    matrix = slicer.util.arrayFromTransformMatrix(placed.transform)
    np.testing.assert_allclose(matrix[:3, 3], [1, 2, -3], atol=1e-12)


def test_given_nodes_are_filled_and_none_is_added(nodes, result):
    given = place_result(result, FusionSettings(), *nodes, Outputs(make=OPTIONAL))
    before = set(snapshot())
    assert place_result(result, FusionSettings(), *nodes, given).nodes() == given.nodes()
    assert set(snapshot()) == before


def test_a_node_that_has_left_the_scene_is_made_anew_where_it_was_wanted(nodes, result, scene):
    given = place_result(result, FusionSettings(), *nodes, Outputs(make=frozenset({"registered"})))
    scene.RemoveNode(given.registered)
    again = place_result(result, FusionSettings(), *nodes, given.without_removed())
    assert again.fused is given.fused and scene.IsNodePresent(again.registered)
    assert set(again.nodes()) == {"fused", "registered"}


def test_the_registered_volume_is_shown_as_the_moving_one_is(nodes, result):
    nodes[1].GetDisplayNode().AutoWindowLevelOff()
    nodes[1].GetDisplayNode().SetWindowLevel(33, 44)
    placed = place_result(result, FusionSettings(), *nodes, Outputs(make=OPTIONAL))
    display = placed.registered.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (33, 44)
