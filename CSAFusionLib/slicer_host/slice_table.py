"""The metrics of every slice as a table and a plot of the scene, and the temporary layout that shows them.

Selecting a row shows its slice; the previous layout comes back afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import qt
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from CSAFusionLib.slicer_host.nodes import CHART, place_beside
from CSAFusionLib.slicer_host.transform_nodes import RAS_TO_LPS, transform_between

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
    """The middle of the slice that a row of the table is about, RAS mm in the world."""
    r, a, s = (float(_column(table, name)[row]) for name in _POSITION)
    return r, a, s


def row_of_slice(table: slicer.vtkMRMLTableNode, number: int) -> int | None:
    """The row of the slice with a number, as the table shows it."""
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


class LayoutLoan:
    """Shows a layout until :meth:`end`, and reports when the user chooses another one.

    Args:
        layout: its number.
        left: called from Slicer's event loop after the user has chosen another layout.
    """

    def __init__(self, layout: int, left: Callable[[], None]) -> None:
        self._layout = layout
        self._left = left
        self._before: int | None = None
        self._watched: tuple[slicer.vtkMRMLLayoutNode, int] | None = None

    def begin(self, manager: Any) -> None:
        """Show the layout; the one before it is remembered unless this one was begun already."""
        if self._watched is None:
            self._before = manager.layout
            node = manager.layoutLogic().GetLayoutNode()
            self._watched = (node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_modified))
        manager.setLayout(self._layout)

    def end(self) -> None:
        """Restore the layout, unless the user has since chosen another."""
        if self._watched is None:
            return
        node, tag = self._watched
        node.RemoveObserver(tag)
        self._watched = None
        manager = slicer.app.layoutManager()
        if manager is not None and manager.layout == self._layout:
            manager.setLayout(self._before)

    def _on_modified(self, caller: slicer.vtkMRMLLayoutNode, event: str) -> None:
        if caller.GetViewArrangement() != self._layout:
            # Not now: the views of the new layout are just being set up.
            qt.QTimer.singleShot(0, self._tell)

    def _tell(self) -> None:
        manager = slicer.app.layoutManager()
        if self._watched is not None and manager is not None and manager.layout != self._layout:
            self._left()


_LAYOUT = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView
_PLOT_SIGNAL = "dataSelected(vtkStringArray*, vtkCollection*)"
_TABLE_SIGNAL = "clicked(QModelIndex)"


class SliceTableView:
    """Shows one table with its plot, and restores layout, table and plot afterwards.

    Args:
        left: called from Slicer's event loop after the user has chosen another layout.
    """

    def __init__(self, left: Callable[[], None] = lambda: None) -> None:
        self._table: slicer.vtkMRMLTableNode | None = None
        self._layout = LayoutLoan(_LAYOUT, left)
        self._before: tuple[str | None, str | None] = (None, None)
        self._plot_view: Any = None
        self._table_view: Any = None

    def show(self, table: slicer.vtkMRMLTableNode) -> None:
        """Show a table and its plot; does nothing where Slicer has no main window."""
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        self.end()
        self._table = table
        self._layout.begin(manager)
        chart = chart_of(table)
        self._before = _select(table.GetID(), chart.GetID() if chart is not None else None)
        self._plot_view = manager.plotWidget(0).plotView()
        _set_click(self._plot_view.chart(), left=vtk.vtkChart.SELECT, right=vtk.vtkChart.NOTIFY)
        self._table_view = manager.tableWidget(0).tableView()
        self._plot_view.connect(_PLOT_SIGNAL, self._on_point)
        self._table_view.connect(_TABLE_SIGNAL, self._on_cell)

    def end(self) -> None:
        """Restore the layout, unless the user has since chosen another."""
        if self._table is None:
            return
        self._plot_view.disconnect(_PLOT_SIGNAL, self._on_point)
        self._table_view.disconnect(_TABLE_SIGNAL, self._on_cell)
        _set_click(self._plot_view.chart(), left=vtk.vtkChart.NOTIFY, right=vtk.vtkChart.SELECT)
        _select(*(one if one and slicer.mrmlScene.GetNodeByID(one) else None for one in self._before))
        self._layout.end()
        self._table = None

    def _on_point(self, series_ids: Any, selections: Any) -> None:
        """Selected points of the plot: arrays of rows of the table, one for each series with any."""
        selected = [selections.GetItemAsObject(index) for index in range(selections.GetNumberOfItems())]
        rows = [int(row) for one in selected for row in vtk_to_numpy(one)]
        # The plot would go on telling of them with each later click, and before it has taken that in.
        for one in selected:
            one.Reset()
        if rows:
            self._go_to(rows[0])

    def _on_cell(self, cell: Any) -> None:
        """Go to the slice named in the first cell of the clicked row, however the rows are sorted."""
        text = str(cell.sibling(cell.row(), 0).data())
        row = row_of_slice(self._table, int(text)) if text.isdigit() else None
        if row is not None:
            self._go_to(row)

    def _go_to(self, row: int) -> None:
        position = slice_position(self._table, row)
        mode = slicer.vtkMRMLSliceNode.CenteredJumpSlice
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *position, mode)


def _select(table: str | None, chart: str | None) -> tuple[str | None, str | None]:
    """Show a table and a chart in the views for them; returns what was shown before."""
    logic = slicer.app.applicationLogic()
    selection = logic.GetSelectionNode()
    before = (selection.GetActiveTableID(), selection.GetActivePlotChartID())
    selection.SetActiveTableID(table)
    logic.PropagateTableSelection()
    selection.SetActivePlotChartID(chart)
    logic.PropagatePlotChartSelection()
    return before


def _set_click(chart: vtk.vtkChartXY, left: int, right: int) -> None:
    """Set what a click on a point does; by default only a right click selects it."""
    chart.SetClickActionToButton(left, vtk.vtkContextMouseEvent.LEFT_BUTTON)
    chart.SetClickActionToButton(right, vtk.vtkContextMouseEvent.RIGHT_BUTTON)
