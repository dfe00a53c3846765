"""A stand-in for ``slicer.app.layoutManager()``: Slicer's own layout and slice nodes and logics, no views."""

from __future__ import annotations

import slicer
import vtk

from Testing.host.pythonqt import QtCore, QtWidgets, wrapper_class


class LayoutManager:
    """Makes the nodes of a layout's views, as qMRMLLayoutManager does, with one logic for each slice view."""

    def __init__(self, application_logic) -> None:
        self._application_logic = application_logic
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
        self._layout_logic = slicer.vtkMRMLLayoutLogic()
        self._layout_logic.SetMRMLScene(slicer.mrmlScene)
        self._slice_logics: dict[str, object] = {}
        self.mrmlSliceLogics()
        self._plot_view = wrapper_class(_PlotView)()
        self._table_view = wrapper_class(QtWidgets.QTableView)()

    def end(self) -> None:
        for logic in (self._layout_logic, *self._slice_logics.values()):
            logic.SetMRMLScene(None)

    @property
    def layout(self) -> int:
        return self._layout_logic.GetLayoutNode().GetViewArrangement()

    def setLayout(self, layout: int) -> None:
        node = self._layout_logic.GetLayoutNode()
        assert node.IsLayoutDescription(layout), f"there is no layout {layout}"
        node.SetViewArrangement(layout)
        self.mrmlSliceLogics()

    def layoutLogic(self):
        return self._layout_logic

    def sliceViewNames(self) -> tuple[str, ...]:
        nodes = slicer.mrmlScene.GetNodesByClass("vtkMRMLSliceNode")
        nodes.UnRegister(None)
        return tuple(nodes.GetItemAsObject(index).GetLayoutName() for index in range(nodes.GetNumberOfItems()))

    def sliceWidget(self, name: str):
        return _SliceWidget(self._logic_of(name)) if name in self.sliceViewNames() else None

    def mrmlSliceLogics(self):
        logics = vtk.vtkCollection()
        for name in self.sliceViewNames():
            logics.AddItem(self._logic_of(name))
        return logics

    def plotWidget(self, index: int):
        return _Widget(plotView=self._plot_view)

    def tableWidget(self, index: int):
        return _Widget(tableView=self._table_view)

    def _logic_of(self, name: str):
        if name not in self._slice_logics:
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(self._application_logic)
            logic.SetMRMLScene(slicer.mrmlScene)
            logic.SetSliceNode(slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}"))
            self._slice_logics[name] = logic
        return self._slice_logics[name]


class _Widget:
    def __init__(self, **parts) -> None:
        for name, part in parts.items():
            setattr(self, name, lambda part=part: part)


class _SliceWidget:
    """The part of qMRMLSliceWidget that is called."""

    def __init__(self, logic) -> None:
        self._logic = logic

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()


class _PlotView(QtWidgets.QWidget):
    """The part of qMRMLPlotView that is called, with a real chart, which is not drawn."""

    CPP_SIGNALS = ("dataSelected(vtkStringArray*,vtkCollection*)",)
    dataSelected = QtCore.Signal(object, object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._chart = vtk.vtkChartXY()
        for _ in range(2):
            self._chart.AddPlot(vtk.vtkPlotLine())

    def chart(self):
        return self._chart

    def click(self, button: int, series: int, row: int) -> None:
        """A user's click on a point: VTK tells of it before the point is selected, and again afterwards; what was
        selected in other series stays so."""
        if self._chart.GetClickActionToButton(vtk.vtkChart.SELECT) != button:
            return
        self._tell()
        rows = vtk.vtkIdTypeArray()
        rows.InsertNextValue(row)
        self._chart.GetPlot(series).SetSelection(rows)
        self._tell()

    def _tell(self) -> None:
        plots = [self._chart.GetPlot(index) for index in range(self._chart.GetNumberOfPlots())]
        selected = vtk.vtkCollection()
        for rows in filter(None, (plot.GetSelection() for plot in plots)):
            if rows.GetNumberOfValues():
                selected.AddItem(rows)
        self.dataSelected.emit(vtk.vtkStringArray(), selected)
