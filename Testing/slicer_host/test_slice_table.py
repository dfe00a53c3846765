"""Metrics of slices as a table and a plot, and back from a row to the place in the world."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from CSAFusionLib.geometry.planes import Plane, slice_centres
from CSAFusionLib.slicer_host.slice_table import chart_of, row_of_slice, slice_position, write_slice_table
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from Testing.host.scene import (
    OBLIQUE,
    a_blob_node,
    a_linear_transform_node,
    rotation,
    snapshot,
    to_world,
)


@pytest.fixture
def nodes():
    parent = a_linear_transform_node(rotation(25, (5, -4, 3), axis=0))
    return a_blob_node("F", parent=parent), a_blob_node("M")


@pytest.fixture
def centres(nodes) -> np.ndarray:
    return slice_centres(volume_from_node(nodes[0], nodes[0].GetParentTransformNode()).image, Plane.AXIAL)


def metrics(first: float = 0.5) -> dict[str, list[float]]:
    names = ("ssim_moving", "ssim_fixed", "correlation_moving", "correlation_fixed")
    return {name: [float("nan"), *np.linspace(first, 1, 13)] for name in names}


def test_the_table_has_a_row_for_each_slice_that_has_metrics(nodes, centres):
    table = write_slice_table(metrics(), centres, *nodes)
    assert table.GetNumberOfRows() == 13
    names = [table.GetColumnName(index) for index in range(table.GetNumberOfColumns())]
    assert names[:3] == ["Slice", "Similarity to F", "Similarity to M"] and names[-3:] == ["R", "A", "S"]
    assert table.GetCellText(0, 0) == "2"


def test_the_table_lists_the_fixed_volume_first_as_the_plot_does(nodes, centres):
    table = write_slice_table(metrics(), centres, *nodes)
    names = [table.GetColumnName(index) for index in range(1, 5)]
    assert names == ["Similarity to F", "Similarity to M", "Correlation with F", "Correlation with M"]


def test_table_chart_and_series_are_filed_beside_the_input_under_names_of_their_own(nodes, centres, scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "S")
    hierarchy.CreateItem(study, nodes[0])
    table = write_slice_table(metrics(), centres, *nodes)
    chart = chart_of(table)
    made = [table, chart, *(chart.GetNthPlotSeriesNode(index) for index in range(2))]
    assert [hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in made] == [study] * 4
    assert len({node.GetName() for node in made}) == 4 and chart.GetName() == "F + M per slice plot"


def test_a_row_leads_to_the_middle_of_its_slice_in_the_world(nodes, centres):
    table = write_slice_table(metrics(), centres, *nodes)
    row = row_of_slice(table, 5)
    expected = to_world(nodes[0], (OBLIQUE @ [12.5, 10.5, 4, 1])[None, :3])[0]
    np.testing.assert_allclose(slice_position(table, row), expected, atol=1e-6)
    assert row_of_slice(table, 1) is None


def test_the_plot_shows_both_similarities_over_the_slices(nodes, centres):
    table = write_slice_table(metrics(), centres, *nodes)
    chart = chart_of(table)
    series = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [one.GetYColumnName() for one in series] == ["Similarity to F", "Similarity to M"]
    assert all(one.GetTableNode() is table and one.GetXColumnName() == "Slice" for one in series)


def test_a_second_run_overwrites_table_and_plot(nodes, centres):
    table = write_slice_table(metrics(), centres, *nodes)
    before = set(snapshot())
    assert write_slice_table(metrics(0.75), centres, *nodes, table) is table
    assert set(snapshot()) == before and table.GetNumberOfRows() == 13
    assert float(table.GetCellText(0, 1)) == 0.75


def test_slices_without_any_metric_leave_an_empty_table(nodes, centres):
    empty = {name: [float("nan")] * 14 for name in metrics()}
    table = write_slice_table(empty, centres, *nodes)
    assert table.GetNumberOfRows() == 0 and slicer.mrmlScene.IsNodePresent(chart_of(table))
