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
        self._table_view = wrapper_class(_TableView)()

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
    CPP_SIGNALS = ("dataSelected(vtkStringArray*,vtkCollection*)",)
    dataSelected = QtCore.Signal(object, object)


class _TableView(QtWidgets.QTableView):
    CPP_SIGNALS = ("selectionChanged()",)
    selectionChanged = QtCore.Signal()
