"""Shows the metrics of every slice as a table and a plot in the scene, and finds the slice of a row."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from CSAFusionLib.slicer_host.nodes import CHART, RAS_TO_LPS, place_beside, transform_between

SLICE = "Slice"
_POSITION = ("R", "A", "S")
_COLOURS = ((0.85, 0.37, 0.01), (0.11, 0.62, 0.47))
# In the order of the columns, which is that of the plot: first the fixed volume.
_TITLES = {
    "ssim_fixed": _("Similarity to {fixed}"),
    "ssim_moving": _("Similarity to {moving}"),
    "correlation_fixed": _("Correlation with {fixed}"),
    "correlation_moving": _("Correlation with {moving}"),
}


def write_slice_table(
    metrics: dict[str, list[float]],
    centres: np.ndarray,
    fixed: slicer.vtkMRMLVolumeNode,
    moving: slicer.vtkMRMLVolumeNode,
    output: slicer.vtkMRMLTableNode | None = None,
) -> slicer.vtkMRMLTableNode:
    """Put the metrics of every slice into a table, and the similarities into a plot; slices without any are left out.

    Args:
        metrics: lists of S numbers, as :func:`CSAFusionLib.fusion.result.slice_figures` gives them.
        centres: the middle of each slice, (S, 3) in LPS mm before the fixed node's parent transform.
        output: table to overwrite, with its plot; None makes both.

    Returns:
        The table; :func:`chart_of` finds its plot.
    """
    scene = fixed.GetScene()
    if output is None:
        name = _("{fixed} + {moving} per slice").format(fixed=fixed.GetName(), moving=moving.GetName())
        output = scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GenerateUniqueName(name))
    titles = {key: _TITLES[key].format(fixed=fixed.GetName(), moving=moving.GetName()) for key in metrics}
    shown = ~np.isnan(np.array(list(metrics.values()))).any(axis=0)
    with slicer.util.NodeModify(output):
        output.RemoveAllColumns()
        output.SetUseColumnTitleAsColumnHeader(True)
        _add_column(output, SLICE, np.flatnonzero(shown) + 1)
        for key in _TITLES:
            _add_column(output, titles[key], np.array(metrics[key])[shown])
        for name, values in zip(_POSITION, _to_world(centres[shown], fixed).T, strict=True):
            _add_column(output, name, values)
    for node in (output, *_plot(output, [titles["ssim_fixed"], titles["ssim_moving"]])):
        place_beside(node, fixed)
    return output


def chart_of(table: slicer.vtkMRMLTableNode) -> slicer.vtkMRMLPlotChartNode | None:
    """The plot of a table that :func:`write_slice_table` made."""
    return table.GetNodeReference(CHART)


def slice_position(table: slicer.vtkMRMLTableNode, row: int) -> tuple[float, float, float]:
    """The centre of a row's slice, RAS mm in the world."""
    r, a, s = (float(_column(table, name)[row]) for name in _POSITION)
    return r, a, s


def row_of_slice(table: slicer.vtkMRMLTableNode, number: int) -> int | None:
    """The row of the slice with the number that the table shows."""
    rows = np.flatnonzero(_column(table, SLICE) == number)
    return int(rows[0]) if rows.size else None


def _column(table: slicer.vtkMRMLTableNode, name: str) -> np.ndarray:
    return vtk_to_numpy(table.GetTable().GetColumnByName(name))


def _add_column(table: slicer.vtkMRMLTableNode, name: str, values: np.ndarray) -> None:
    kind = vtk.VTK_INT if np.issubdtype(values.dtype, np.integer) else vtk.VTK_DOUBLE
    column = numpy_to_vtk(np.ascontiguousarray(values), deep=True, array_type=kind)
    column.SetName(name)
    table.AddColumn(column)


def _to_world(lps: np.ndarray, fixed: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    to_world = transform_between(fixed.GetParentTransformNode(), None)
    return np.array([to_world.TransformPoint(point) for point in lps @ RAS_TO_LPS[:3, :3]]).reshape(-1, 3)


def _plot(table: slicer.vtkMRMLTableNode, columns: list[str]) -> list[slicer.vtkMRMLNode]:
    """Plot columns of a table; returns the chart and its series."""
    scene, chart = table.GetScene(), chart_of(table)
    if chart is None:
        name = scene.GenerateUniqueName(_("{table} plot").format(table=table.GetName()))
        chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
        table.SetNodeReferenceID(CHART, chart.GetID())
    nodes = [chart]
    chart.SetXAxisTitle(SLICE)
    chart.SetYAxisTitle(_("Structural similarity"))
    for index, (name, colour) in enumerate(zip(columns, _COLOURS, strict=True)):
        series = chart.GetNthPlotSeriesNode(index)
        if series is None:
            series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode")
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
        series.SetName(name)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(SLICE)
        series.SetYColumnName(name)
        series.SetPlotType(series.PlotTypeScatter)
        series.SetMarkerStyle(series.MarkerStyleCircle)
        series.SetColor(*colour)
        nodes.append(series)
    return nodes
