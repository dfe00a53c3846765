"""Comparison and table of slices in Slicer's views, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import slicer.util
from vtk import vtkContextMouseEvent

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.slicer_host.slice_table import write_slice_table
from CSAFusionLib.slicer_host.views import (
    LAYOUT,
    Comparison,
    LayoutLoan,
    SliceTableView,
    SliceViews,
    add_checkerboard,
    are_on_one_grid,
    composites,
    own_composites,
    remove_checkerboard,
)
from Testing.host.fixtures import pump
from Testing.host.pythonqt import QtGui
from Testing.host.scene import (
    OBLIQUE,
    a_blob_node,
    a_linear_transform_node,
    a_volume_node,
    ijk_to_ras_of,
    rotation,
    snapshot,
)

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


SHAPE = (8, 40, 40)


@pytest.fixture
def pair():
    """A white volume, and one in colour that is black."""
    parent = a_linear_transform_node(rotation(20))
    white = a_volume_node("F", np.full(SHAPE, 80, np.int16), OBLIQUE, parent=parent)
    white.GetDisplayNode().AutoWindowLevelOff()
    white.GetDisplayNode().SetWindowLevel(20, 40)
    black = a_volume_node("M on F", np.zeros((*SHAPE, 3), np.uint8), OBLIQUE, parent=parent)
    black.GetDisplayNode().AutoWindowLevelOff()
    black.GetDisplayNode().SetWindowLevel(255, 127.5)
    return white, black


def test_the_volumes_alternate_in_squares_of_equal_millimetres(pair):
    board = slicer.util.arrayFromVolume(add_checkerboard(*pair))
    assert set(np.unique(board)) == {0, 255} and 0.4 < (board > 0).mean() < 0.6
    along_i, along_j = (np.flatnonzero(np.diff(line.astype(int))) for line in (board[0, 0], board[0, :, 0]))
    # 44 mm in eight squares of 5.5 mm: voxels have 0.9 mm along i and 1.1 mm along j.
    assert set(np.diff(along_i)) == {6} and set(np.diff(along_j)) == {5}


def test_there_is_none_of_volumes_that_are_not_on_one_grid_or_without_an_image(pair, scene):
    white, black = pair
    assert are_on_one_grid(white, black)
    slicer.util.updateVolumeFromArray(black, np.zeros((2, 3, 4), np.uint8))
    assert not are_on_one_grid(white, black) and not are_on_one_grid(None, white)
    assert not are_on_one_grid(white, scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"))


def test_it_lies_on_the_fixed_volume_and_is_neither_listed_nor_saved(pair):
    node = add_checkerboard(*pair)
    assert ijk_to_ras_of(node).tobytes() == ijk_to_ras_of(pair[0]).tobytes()
    assert node.GetParentTransformNode() is pair[0].GetParentTransformNode()
    assert node.GetHideFromEditors() and not node.GetSaveWithScene()


def test_removed_it_leaves_nothing_also_when_the_scene_was_closed(pair, scene):
    before = snapshot()
    node = add_checkerboard(*pair)
    remove_checkerboard(node)
    assert snapshot() == before
    node = add_checkerboard(*pair)
    scene.Clear(False)
    remove_checkerboard(node)
    assert scene.GetNumberOfNodes() == 0


@pytest.fixture
def views(module, volumes):
    """Three views that a user has set up, none like the other."""
    nodes = composites()
    for index, node in enumerate(nodes):
        node.SetBackgroundVolumeID(volumes[index % 2].GetID())
        node.SetForegroundVolumeID(volumes[(index + 1) % 2].GetID())
        node.SetForegroundOpacity(0.2 + 0.1 * index)
        node.SetLabelOpacity(0.9)
    return nodes


def seen(views) -> list[tuple]:
    names = ("BackgroundVolumeID", "ForegroundVolumeID", "LabelVolumeID", "ForegroundOpacity", "LabelOpacity")
    return [
        tuple(getattr(node, f"Get{name}")() for name in (*names, "LinkedControl", "HotLinkedControl")) for node in views
    ]


@pytest.mark.parametrize("linked", [False, True])
def test_layers_opacities_and_links_are_given_back(views, linked):
    views[0].SetLinkedControl(linked)
    assert [node.GetLinkedControl() for node in views] == [linked] * 3
    before = seen(views)
    remembered = SliceViews()
    views[1].SetHotLinkedControl(True)
    views[1].SetLinkedControl(not linked)
    for node in views:
        node.SetBackgroundVolumeID(None)
        node.SetForegroundOpacity(0.5)
        node.SetLabelOpacity(0.1)
    remembered.give_back()
    assert seen(views) == before


def test_a_volume_that_is_gone_stays_replaced(views, volumes, scene):
    remembered = SliceViews()
    scene.RemoveNode(volumes[0])
    views[1].SetForegroundOpacity(1)
    remembered.give_back()
    assert views[0].GetBackgroundVolumeID() == volumes[1].GetID()
    assert views[1].GetForegroundOpacity() == pytest.approx(0.3)


def test_only_the_views_that_are_asked_for_are_given_back(views):
    remembered = SliceViews()
    for node in views:
        node.SetForegroundOpacity(1)
    remembered.give_back(lambda node: node is views[2])
    assert [node.GetForegroundOpacity() for node in views] == pytest.approx([1, 1, 0.4])


def test_a_view_that_is_gone_is_passed_over(views, scene):
    remembered = SliceViews()
    scene.RemoveNode(views[0])
    remembered.give_back()
    assert slicer.mrmlScene.IsNodePresent(views[1])


FOUR_UP = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
RED = slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView
THREE_D = slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView


@pytest.fixture
def layout_manager(module):
    slicer.app.layoutManager().setLayout(FOUR_UP)
    return slicer.app.layoutManager()


def test_the_layout_from_before_comes_back_also_when_it_was_begun_twice(layout_manager):
    loan = LayoutLoan(RED, lambda: None)
    loan.begin(layout_manager)
    loan.begin(layout_manager)
    assert layout_manager.layout == RED
    loan.end()
    assert layout_manager.layout == FOUR_UP


def test_a_layout_the_user_chooses_is_told_once_it_is_set_up_and_stays(layout_manager):
    left = []
    loan = LayoutLoan(RED, lambda: left.append(layout_manager.layout))
    loan.begin(layout_manager)
    layout_manager.setLayout(THREE_D)
    assert left == []
    slicer.app.processEvents()
    assert left == [THREE_D]
    loan.end()
    layout_manager.setLayout(RED)
    slicer.app.processEvents()
    assert left == [THREE_D] and layout_manager.layout == RED


def test_a_user_who_comes_back_at_once_is_not_told(layout_manager):
    left = []
    loan = LayoutLoan(RED, lambda: left.append(1))
    loan.begin(layout_manager)
    layout_manager.setLayout(THREE_D)
    layout_manager.setLayout(RED)
    slicer.app.processEvents()
    assert left == []
    loan.end()
