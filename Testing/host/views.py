"""A stand-in for ``slicer.app.layoutManager()``: Slicer's own layout and slice nodes and logics, no views."""

from __future__ import annotations

import slicer
import slicer.util
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
        self._links = SliceControllers(slicer.mrmlScene)
        self._tag = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, self._on_removed)
        self.mrmlSliceLogics()
        self._plot_view = wrapper_class(_PlotView)()
        self._table_view = wrapper_class(QtWidgets.QTableView)()

    def end(self) -> None:
        self._links.end()
        slicer.mrmlScene.RemoveObserver(self._tag)
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

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_removed(self, scene, event, node) -> None:
        """A view goes after its node, with the event loop; its logic holds on to the nodes it made until then."""
        if node.IsA("vtkMRMLSliceNode"):
            QtCore.QTimer.singleShot(0, lambda: self._slice_logics.pop(node.GetLayoutName(), None))


class SliceControllers:
    """What the controllers of the slice views (qMRMLSliceControllerWidget) do to each other's composite nodes.

    Linked and hot-linked, once set on one, are set on all. The controller of a view that loses a volume takes the
    volume that moves up into its place, and in linked views of one group it does so for all of them.
    """

    _LINKS = ("LinkedControl", "HotLinkedControl")
    _LAYERS = ("BackgroundVolumeID", "ForegroundVolumeID")

    def __init__(self, scene) -> None:
        self._scene = scene
        self._known: dict[str, list[int]] = {}
        self._observed: list[tuple] = []
        removed = slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent
        self._observe(scene, slicer.vtkMRMLScene.NodeAddedEvent, self._on_added)
        self._observe(scene, removed, self._on_about_to_be_removed, -10.0)
        for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            self._watch(node)

    def end(self) -> None:
        for caller, tag in self._observed:
            caller.RemoveObserver(tag)

    def _observe(self, caller, event, method, priority: float = 0.0) -> None:
        self._observed.append((caller, caller.AddObserver(event, method, priority)))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_added(self, scene, event, node) -> None:
        if node.IsA("vtkMRMLSliceCompositeNode"):
            self._watch(node)

    def _watch(self, node) -> None:
        self._known[node.GetID()] = [getattr(node, f"Get{name}")() for name in self._LINKS]
        self._observe(node, vtk.vtkCommand.ModifiedEvent, self._on_modified)

    def _on_modified(self, node, event) -> None:
        links = [getattr(node, f"Get{name}")() for name in self._LINKS]
        if links == self._known[node.GetID()]:
            return
        nodes = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        self._known.update({other.GetID(): links for other in nodes})
        for other in nodes:
            for name, value in zip(self._LINKS, links, strict=True):
                getattr(other, f"Set{name}")(value)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_about_to_be_removed(self, scene, event, node) -> None:
        if scene.IsClosing() or not node.IsA("vtkMRMLVolumeNode"):
            return
        volumes = [one for one in slicer.util.getNodesByClass("vtkMRMLVolumeNode") if not one.GetHideFromEditors()]
        row = volumes.index(node) if node in volumes else -1
        left = [one for one in volumes if one is not node]
        instead = left[min(row, len(left) - 1)].GetID() if left and row >= 0 else None
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            for layer in self._LAYERS:
                if getattr(composite, f"Get{layer}")() == node.GetID():
                    for one in self._linked_to(composite):
                        getattr(one, f"Set{layer}")(instead)

    def _linked_to(self, composite) -> list:
        if not composite.GetLinkedControl():
            return [composite]
        nodes = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        return [one for one in nodes if _group(one) == _group(composite)]


def _group(composite) -> int:
    node = slicer.vtkMRMLSliceLogic.GetSliceNode(composite)
    return node.GetViewGroup() if node else -1


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
