"""Comparison and table of slices in Slicer's views, and the way back. (Real layout and slice nodes.)"""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import slicer.util
from vtk import vtkContextMouseEvent

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.slicer_host.comparison_views import LAYOUT, Comparison, composites, own_composites
from CSAFusionLib.slicer_host.slice_table import write_slice_table
from CSAFusionLib.slicer_host.view_layout import SliceTableView
from Testing.host.fixtures import pump
from Testing.host.pythonqt import QtGui
from Testing.host.scene import a_blob_node, snapshot

LEFT, RIGHT = vtkContextMouseEvent.LEFT_BUTTON, vtkContextMouseEvent.RIGHT_BUTTON
SLICE_TABLE_LAYOUT = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView


@pytest.fixture
def manager(module):
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    return slicer.app.layoutManager()


@pytest.fixture
def table(volumes):
    figures = {
        f"{name}_{of}": list(np.linspace(0, 1, 5)) for name in ("ssim", "correlation") for of in ("fixed", "moving")
    }
    centres = np.stack([np.zeros(5), np.zeros(5), np.arange(5.0)], axis=1)
    return write_slice_table(figures, centres, *volumes)


def composite(manager, name: str):
    return manager.sliceWidget(name).mrmlSliceCompositeNode()


def test_the_comparison_shows_the_four_linked_and_at_one_zoom(manager, volumes):
    fixed, moving = volumes
    fused = a_blob_node("fused")
    comparison = Comparison()
    comparison.show(fixed, moving, fused)
    assert manager.layout == LAYOUT
    shown = {name: composite(manager, f"CSAFusion{name}") for name in ("Fixed", "Moving", "Overlay", "Both")}
    backgrounds = [one.GetBackgroundVolumeID() for one in shown.values()]
    assert backgrounds == [fixed.GetID(), moving.GetID(), fixed.GetID(), fused.GetID()]
    assert shown["Overlay"].GetForegroundVolumeID() == moving.GetID()
    assert all(one.GetLinkedControl() and one.GetHotLinkedControl() for one in shown.values())
    comparison.end()
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView


def test_a_layout_the_user_has_chosen_meanwhile_stays(manager, volumes):
    comparison = Comparison()
    comparison.show(*volumes, volumes[0])
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView)
    comparison.end()
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView


def test_the_comparison_can_be_shown_again(manager, volumes):
    comparison = Comparison()
    for _ in range(2):
        comparison.show(*volumes, volumes[0])
        comparison.end()
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView


def user_views():
    return [node for node in composites() if "CSAFusion" not in node.GetLayoutName()]


@pytest.mark.parametrize("linked", [False, True])
def test_the_views_get_back_their_opacity_and_their_links(manager, volumes, linked):
    fixed, moving = volumes
    for node in user_views():
        node.SetBackgroundVolumeID(moving.GetID())
        node.SetForegroundOpacity(1.0)
    user_views()[0].SetLinkedControl(linked)
    comparison = Comparison()
    for _ in range(2):
        comparison.show(fixed, moving, fixed)
        comparison.set_opacity(0.3)
        assert [node.GetForegroundOpacity() for node in own_composites()] == pytest.approx([0.3] * 4)
    comparison.end()
    for node in user_views():
        assert (node.GetForegroundOpacity(), node.GetBackgroundVolumeID()) == (1.0, moving.GetID())
        assert (bool(node.GetLinkedControl()), bool(node.GetHotLinkedControl())) == (linked, False)


def test_nothing_is_left_of_the_comparison_and_nothing_of_it_is_saved(manager, volumes):
    before = set(snapshot())
    comparison = Comparison()
    comparison.show(*volumes, volumes[0])
    made = set(snapshot()) - before
    assert len(made) >= 20 and not any(slicer.mrmlScene.GetNodeByID(one).GetSaveWithScene() for one in made)
    comparison.end()
    pump(lambda: set(snapshot()) == before, 5)


def test_a_comparison_shown_again_at_once_keeps_its_views(manager, volumes):
    comparison = Comparison()
    comparison.show(*volumes, volumes[0])
    comparison.end()
    comparison.show(*volumes, volumes[1])
    for _ in range(5):
        slicer.app.processEvents()
    assert len(own_composites()) == 4 and manager.layout == LAYOUT
    comparison.end()


def test_a_volume_removed_from_the_comparison_changes_no_view_of_the_users(manager, volumes):
    fixed, moving = volumes
    fused = a_blob_node("fused")
    for node in user_views():
        node.SetBackgroundVolumeID(fixed.GetID())
        node.SetForegroundVolumeID(moving.GetID())
        node.SetLinkedControl(True)
    comparison = Comparison()
    comparison.show(fixed, moving, fused)
    comparison.let_go()
    slicer.mrmlScene.RemoveNode(fused)
    comparison.end()
    assert {(one.GetBackgroundVolumeID(), one.GetForegroundVolumeID()) for one in user_views()} == {
        (fixed.GetID(), moving.GetID())
    }


def test_out_of_a_layout_that_a_scene_was_saved_with_there_is_a_way(manager, volumes):
    comparison = Comparison()
    comparison.show(*volumes, volumes[0])
    other = Comparison()
    other.show(*volumes, volumes[0])
    other.end()
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView


def test_the_table_and_the_plot_from_before_come_back(manager, table, scene):
    selection = slicer.app.applicationLogic().GetSelectionNode()
    own = scene.AddNewNodeByClass("vtkMRMLTableNode")
    selection.SetActiveTableID(own.GetID())
    view = SliceTableView()
    view.show(table)
    view.end()
    assert selection.GetActiveTableID() == own.GetID() and selection.GetActivePlotChartID() is None


def slice_offset() -> float:
    return slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").GetSliceToRAS().GetElement(2, 3)


def test_a_click_on_a_point_of_the_plot_goes_to_its_slice(manager, table):
    view = SliceTableView()
    view.show(table)
    assert manager.layout == SLICE_TABLE_LAYOUT
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert selection.GetActiveTableID() == table.GetID() and selection.GetActivePlotChartID()
    plot = manager.plotWidget(0).plotView()
    for series, row in ((0, 3), (1, 1), (0, 3), (0, 3)):
        slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").SetSliceOffset(0)
        plot.click(LEFT, series, row)
        assert slice_offset() == pytest.approx(row)
    view.end()
    plot.click(LEFT, 0, 1)
    plot.click(RIGHT, 0, 1)
    assert slice_offset() == pytest.approx(3)


def test_a_click_on_a_row_of_the_table_goes_to_its_slice_however_it_is_sorted(manager, table):
    view = SliceTableView()
    view.show(table)
    shown = manager.tableWidget(0).tableView()
    model = QtGui.QStandardItemModel(3, 2)
    for row, text in enumerate(("Slice", "5", "2")):
        model.setItem(row, 0, QtGui.QStandardItem(text))
    shown._qt.setModel(model)
    for row, offset in ((1, 4), (2, 1), (0, 1)):
        shown._qt.clicked.emit(model.index(row, 1))
        assert slice_offset() == pytest.approx(offset)
    view.end()
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
