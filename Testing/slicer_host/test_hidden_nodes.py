"""Nodes of our own are in no selector, from their first moment on."""

from __future__ import annotations

import slicer

from CSAFusionLib.slicer_host.nodes import add_hidden_node
from Testing.host.pythonqt import wrapper_class
from Testing.host.widgets import qMRMLNodeComboBox


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
