"""The table and the plot of the figures in Slicer's views; a click on either goes to the slice."""

from __future__ import annotations

from typing import Any

import slicer
from vtk.util.numpy_support import vtk_to_numpy

from CSAFusionLib.slicer_host.figures import chart_of, row_of_slice, slice_position

_PLOT_SIGNAL = "dataSelected(vtkStringArray*, vtkCollection*)"
_TABLE_SIGNAL = "selectionChanged()"


class FiguresView:
    """Shows one table with its plot, and afterwards the layout that was there before."""

    def __init__(self) -> None:
        self._table: slicer.vtkMRMLTableNode | None = None
        self._before: int | None = None
        self._plot_view: Any = None
        self._table_view: Any = None

    def show(self, table: slicer.vtkMRMLTableNode) -> None:
        """Show a table and its plot; does nothing where Slicer has no main window."""
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        self.end()
        self._table, self._before = table, manager.layout
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView)
        selection = slicer.app.applicationLogic().GetSelectionNode()
        selection.SetActiveTableID(table.GetID())
        slicer.app.applicationLogic().PropagateTableSelection()
        chart = chart_of(table)
        if chart is not None:
            selection.SetActivePlotChartID(chart.GetID())
            slicer.app.applicationLogic().PropagatePlotChartSelection()
        self._plot_view = manager.plotWidget(0).plotView()
        self._table_view = manager.tableWidget(0).tableView()
        self._plot_view.connect(_PLOT_SIGNAL, self._on_point)
        self._table_view.connect(_TABLE_SIGNAL, self._on_cell)

    def end(self) -> None:
        """Give the layout back, unless the user has chosen another one meanwhile."""
        if self._table is None:
            return
        self._plot_view.disconnect(_PLOT_SIGNAL, self._on_point)
        self._table_view.disconnect(_TABLE_SIGNAL, self._on_cell)
        manager = slicer.app.layoutManager()
        if manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView:
            manager.setLayout(self._before)
        self._table = None

    def _on_point(self, series_ids: Any, selections: Any) -> None:
        """Selected points of the plot: arrays of rows of the table, one for each series."""
        for index in range(selections.GetNumberOfItems()):
            rows = vtk_to_numpy(selections.GetItemAsObject(index))
            if rows.size:
                self._go_to(int(rows[0]))
                return

    def _on_cell(self) -> None:
        """A cell of the table: the first one of its row tells the slice, however the rows are sorted."""
        cell = self._table_view.currentIndex()
        text = str(cell.sibling(cell.row(), 0).data())
        row = row_of_slice(self._table, int(text)) if text.isdigit() else None
        if row is not None:
            self._go_to(row)

    def _go_to(self, row: int) -> None:
        position = slice_position(self._table, row)
        mode = slicer.vtkMRMLSliceNode.CenteredJumpSlice
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *position, mode)
