"""Layouts that are shown temporarily: the table of slices, and the way back to the previous layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from CSAFusionLib.slicer_host.slice_table import chart_of, row_of_slice, slice_position


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
