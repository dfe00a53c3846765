"""Hidden nodes, where results are filed, how they were made, and what goes with them."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from CSAFusionLib.slicer_host.nodes import (
    SLICE_TABLE,
    add_hidden_node,
    belongings_of,
    place_beside,
    provenance_of,
    remove_nodes,
    write_provenance,
)
from CSAFusionLib.slicer_host.rendering import render_fused
from CSAFusionLib.slicer_host.slice_table import chart_of, write_slice_table
from Testing.host.pythonqt import wrapper_class
from Testing.host.scene import OBLIQUE, a_blob, a_blob_node, a_volume_node, snapshot
from Testing.host.widgets import qMRMLNodeComboBox


@pytest.fixture
def table(volumes):
    names = ("ssim_fixed", "ssim_moving", "correlation_fixed", "correlation_moving")
    return write_slice_table(dict.fromkeys(names, [0.5, 0.6]), np.zeros((2, 3)), *volumes)


def a_result(in_colour: bool):
    voxels = np.full((2, 3, 4, 3), 100, np.uint8) if in_colour else a_blob()
    fused = a_volume_node("fused", voxels, OBLIQUE)
    write_provenance(fused, {"notice": "n"})
    return fused


@pytest.mark.parametrize("in_colour", [False, True])
def test_without_its_belongings_nothing_is_left_of_a_result(module, volumes, in_colour, request):
    before = set(snapshot())
    fused = a_result(in_colour)
    own = {fused.GetID()}
    render_fused(fused)
    fused.SetNodeReferenceID(SLICE_TABLE, request.getfixturevalue("table").GetID())
    remove_nodes(belongings_of(fused))
    assert set(snapshot()) == before | own


def test_with_a_table_go_its_chart_and_series(volumes, table):
    chart = chart_of(table)
    assert belongings_of(table) == [chart, chart.GetNthPlotSeriesNode(0), chart.GetNthPlotSeriesNode(1)]
    assert belongings_of(chart) == []


def test_a_volume_of_the_users_keeps_its_rendering(module, volumes):
    render_fused(volumes[0])
    assert belongings_of(volumes[0]) == []


def test_a_volume_property_that_another_rendering_uses_stays(module, volumes):
    fused = a_result(in_colour=False)
    shared = render_fused(fused).GetVolumePropertyNode()
    render_fused(volumes[0]).SetAndObserveVolumePropertyNodeID(shared.GetID())
    assert shared not in belongings_of(fused)
    remove_nodes([*belongings_of(fused), *belongings_of(fused)])
    assert slicer.mrmlScene.IsNodePresent(shared)


def test_no_selector_lists_a_node_that_was_hidden_before_it_was_added(scene):
    selector = wrapper_class(qMRMLNodeComboBox)()
    selector.nodeTypes = ("vtkMRMLScalarVolumeNode",)
    selector.setMRMLScene(scene)
    node = add_hidden_node("vtkMRMLScalarVolumeNode", "ours")
    assert selector.nodeCount() == 0 and scene.IsNodePresent(node) and node.GetName() == "ours"
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode").HideFromEditorsOn()
    assert selector.nodeCount() == 1


def test_it_is_saved_with_the_scene_only_where_that_is_asked_for(scene):
    kept, dropped = (add_hidden_node("vtkMRMLScalarVolumeNode", "ours", saved=saved) for saved in (True, False))
    assert kept.GetSaveWithScene() and not dropped.GetSaveWithScene()


PROVENANCE = {
    "notice": "Research use only.",
    "settings": {"seed": 5, "device": "cpu"},
    "weights": {"name": "t1-t2", "sha256": "0" * 64},
    "registration": {"metric": {"overlap_after": 0.5}, "seconds": 1.5, "model": None},
    "warnings": ["one", "two"],
}


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")


def test_what_was_written_is_read_back(node):
    write_provenance(node, PROVENANCE)
    assert provenance_of(node) == PROVENANCE


def test_an_earlier_result_leaves_nothing_and_other_attributes_stay(node):
    node.SetAttribute("Mine", "kept")
    write_provenance(node, PROVENANCE)
    write_provenance(node, {"notice": "new"})
    assert provenance_of(node) == {"notice": "new"} and node.GetAttribute("Mine") == "kept"


def test_a_node_that_is_no_result_has_none(node):
    assert provenance_of(node) == {}


def test_a_node_is_filed_in_the_study_of_its_sibling(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "P"), "S")
    sibling, new, filed = (a_blob_node(name) for name in "ABC")
    hierarchy.CreateItem(study, sibling)
    hierarchy.CreateItem(hierarchy.GetSceneItemID(), filed)
    for node in (new, filed):
        place_beside(node, sibling)
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    assert hierarchy.GetNumberOfItemChildren(study) == 3


def test_a_scene_without_a_hierarchy_gets_none(scene):
    sibling, node = (a_blob_node(name) for name in "AB")
    place_beside(node, sibling)
    assert scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") is None


def test_beside_a_sibling_that_is_not_filed_nothing_is(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    sibling, node = (a_blob_node(name) for name in "AB")
    place_beside(node, sibling)
    assert hierarchy.GetItemByDataNode(node) == hierarchy.GetInvalidItemID()
