"""Results are filed where their input is, and only there."""

from __future__ import annotations

import slicer

from CSAFusionLib.slicer_host.nodes import place_beside
from Testing.host.scene import a_blob_node


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
