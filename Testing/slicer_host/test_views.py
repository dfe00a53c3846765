"""Comparison, figures and volume rendering in Slicer's views, and the way back. (Real layout and slice nodes.)"""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import slicer.util
from vtk import vtkContextMouseEvent

from CSAFusionLib.slicer_host.comparison import LAYOUT, Comparison
from CSAFusionLib.slicer_host.figures import write_figures
from CSAFusionLib.slicer_host.figures_view import FiguresView
from CSAFusionLib.slicer_host.rendering import render_fused
from Testing.host.pythonqt import QtGui
from Testing.host.scene import OBLIQUE, a_blob_node, a_volume_node, ijk_to_ras_of

LEFT, RIGHT = vtkContextMouseEvent.LEFT_BUTTON, vtkContextMouseEvent.RIGHT_BUTTON
FIGURES_LAYOUT = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView


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
    return write_figures(figures, centres, *volumes)


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


def slice_offset() -> float:
    return slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed").GetSliceToRAS().GetElement(2, 3)


def test_a_click_on_a_point_of_the_plot_goes_to_its_slice(manager, table):
    view = FiguresView()
    view.show(table)
    assert manager.layout == FIGURES_LAYOUT
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
    view = FiguresView()
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


def test_a_grey_volume_is_rendered_with_one_display_node_however_often(module, volumes):
    fused = volumes[0]
    display = render_fused(fused)
    assert render_fused(fused) is display and display.GetVisibility()
    opacity = display.GetVolumePropertyNode().GetScalarOpacity()
    assert opacity.GetValue(0.1) == 0 < opacity.GetValue(0.5) < opacity.GetValue(1.0)


def test_a_volume_in_colour_is_rendered_in_its_colours_with_its_luminance_as_opacity(module):
    colours = np.zeros((2, 3, 4, 3), np.uint8)
    colours[..., 1] = 100
    fused = a_volume_node("RGB", colours, OBLIQUE)
    display = render_fused(fused)
    rendered = display.GetVolumeNode()
    voxels = slicer.util.arrayFromVolume(rendered)
    assert voxels.shape == (2, 3, 4, 4) and set(voxels[..., 3].ravel()) == {59}
    np.testing.assert_array_equal(voxels[..., :3], colours)
    assert rendered.GetHideFromEditors() and ijk_to_ras_of(rendered).tobytes() == ijk_to_ras_of(fused).tobytes()
    properties = display.GetVolumePropertyNode()
    assert not properties.GetVolumeProperty().GetIndependentComponents()
    assert properties.GetScalarOpacity().GetValue(25) == 0 < properties.GetScalarOpacity().GetValue(255)


def test_a_volume_in_colour_that_has_changed_is_rendered_in_the_same_node(module):
    fused = a_volume_node("RGB", np.zeros((2, 3, 4, 3), np.uint8), OBLIQUE)
    display = render_fused(fused)
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    slicer.util.arrayFromVolume(fused)[:] = 200
    assert render_fused(fused) is display and slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert slicer.util.arrayFromVolume(display.GetVolumeNode()).min() == 200
