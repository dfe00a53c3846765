"""What the panel does when nodes come and go, and when runs end elsewhere."""

from __future__ import annotations

import pytest
import slicer
import slicer.util

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.slicer_host.comparison_views import composites
from Testing.host.application import open_panel, raise_errors
from Testing.host.fixtures import pump
from Testing.host.scene import a_blob_node


def settle() -> None:
    slicer.app.processEvents()
    raise_errors()


@pytest.mark.parametrize("side", ["A", "B"])
def test_a_deleted_input_is_asked_for_and_not_replaced(panel, volumes, scene, side):
    a_blob_node("other")
    node = volumes["AB".index(side)]
    scene.RemoveNode(node)
    settle()
    selector = getattr(panel.ui, f"volume{side}Selector")
    assert selector.currentNode() is None and getattr(panel._parameterNode, f"volume{side}") is None
    assert panel.ui.statusLabel.text == f"'{node.GetName()}' was deleted; select volume {side}."
    assert not panel.ui.applyButton.enabled and panel.ui.missingLabel.text == f"Select volume {side} too."


def test_a_deleted_region_mask_or_transform_is_not_replaced_either(panel, scene):
    kinds = {
        "roi": "vtkMRMLMarkupsROINode",
        "mask": "vtkMRMLSegmentationNode",
        "transform": "vtkMRMLLinearTransformNode",
    }
    for name, kind in kinds.items():
        chosen, other = (scene.AddNewNodeByClass(kind, one) for one in ("chosen", "other"))
        selector = getattr(panel.ui, f"{name}Selector")
        selector.setCurrentNode(chosen)
        scene.RemoveNode(chosen)
        settle()
        assert selector.currentNode() is None and "'chosen' was deleted; no " in panel.ui.statusLabel.text
        assert scene.IsNodePresent(other)


def test_an_input_deleted_during_a_run_is_told_at_once_by_the_run(panel, volumes, scene, child_does):
    child_does("work_for_long")
    panel.ui.applyButton.click()
    pump(lambda: panel.ui.statusLabel.text == "work")
    scene.RemoveNode(volumes[0])
    pump(lambda: not panel.logic.isRunning, 2)
    assert panel.ui.statusLabel.text == "'F' was removed while the fusion ran; the run was stopped."
    assert panel.ui.volumeASelector.currentNode() is None and not panel.ui.applyButton.enabled


def test_a_volume_without_an_image_is_refused_before_apply(panel, scene):
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    panel.ui.volumeBSelector.setCurrentNode(empty)
    assert not panel.ui.applyButton.enabled
    assert panel.ui.missingLabel.text == "The volume 'empty' holds no image; load one into it or select another volume."


@pytest.fixture
def opened(module, monkeypatch):
    """The panel, opened on an empty scene."""
    monkeypatch.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
    panel = open_panel(module)
    yield panel
    panel.cleanup()


def chosen(panel) -> list:
    return [panel._parameterNode.volumeA, panel._parameterNode.volumeB]


def test_two_volumes_loaded_while_the_module_is_open_are_chosen(opened, scene):
    hidden = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "no image")
    first = a_blob_node("first")
    settle()
    assert chosen(opened) == [None, None]
    second = a_blob_node("second")
    settle()
    assert chosen(opened) == [first, second] and hidden not in chosen(opened)


def test_what_the_user_has_chosen_is_not_changed_by_what_is_loaded(opened):
    first = a_blob_node("first")
    opened.ui.volumeBSelector.setCurrentNode(first)
    a_blob_node("second")
    settle()
    assert chosen(opened) == [None, first]


def test_results_are_not_taken_for_inputs(panel, volumes, scene, child_does):
    child_does("negate")
    panel.ui.applyButton.click()
    pump(lambda: not panel.logic.isRunning)
    for node in volumes:
        scene.RemoveNode(node)
    panel.exit()
    panel.enter()
    assert chosen(panel) == [None, None]


def layers() -> set[tuple]:
    return {
        (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetForegroundOpacity())
        for view in composites()
    }


def test_a_run_that_ends_elsewhere_is_shown_on_return_and_only_then(panel, volumes, child_does):
    child_does("negate")
    panel.ui.resultCollapsibleButton.collapsed = True
    before = layers()
    panel.ui.applyButton.click()
    panel.exit()
    pump(lambda: not panel.logic.isRunning)
    assert layers() == before
    panel.enter()
    raise_errors()
    fused = panel._parameterNode.fusedVolume
    assert layers() == {(volumes[0].GetID(), fused.GetID(), 1.0)}
    assert not panel.ui.resultCollapsibleButton.collapsed and "F + M fused" in panel.ui.reportLabel.text
    slicer.util.setSliceViewerLayers(foregroundOpacity=0.2)
    panel.exit()
    panel.enter()
    assert {opacity for _, _, opacity in layers()} == {0.2}


def test_a_run_that_ends_while_other_parameters_are_shown_waits_for_its_own(panel, module, volumes, scene, child_does):
    child_does("negate")
    first = panel._parameterNode
    panel.logic.isSingletonParameterNode = False
    other = module.CSAFusionParameterNode(scene.AddNode(panel.logic.createParameterNode()))
    before = layers()
    panel.ui.applyButton.click()
    panel.setParameterNode(other)
    pump(lambda: not panel.logic.isRunning)
    assert layers() == before and other.fusedVolume is None and panel.ui.statusLabel.text == "Done: 'F + M fused'."
    panel.setParameterNode(first)
    assert layers() == {(volumes[0].GetID(), first.fusedVolume.GetID(), 1.0)}
