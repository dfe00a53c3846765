"""Shows results in four linked slice views or with the table of slices, and restores the former layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import qt
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from CSAFusionLib.slicer_host.nodes import add_hidden_node, remove_nodes
from CSAFusionLib.slicer_host.slice_table import chart_of, row_of_slice, slice_position

_LAYERS = ("BackgroundVolumeID", "ForegroundVolumeID", "LabelVolumeID")
_VALUES = ("ForegroundOpacity", "LabelOpacity")
_LINKS = ("LinkedControl", "HotLinkedControl")


class SliceViews:
    """Remembers the volumes, opacities and links of every slice view, and restores them."""

    def __init__(self) -> None:
        self._before = {node.GetID(): _state(node) for node in composites()}

    def give_back(self, where: Callable[[slicer.vtkMRMLSliceCompositeNode], bool] = lambda node: True) -> None:
        """Restore the views that still exist; a volume that has been removed is not restored.

        Args:
            where: of which views; all by default.
        """
        nodes = [node for node in composites() if node.GetID() in self._before and where(node)]
        # Links propagate changes to every view, so all views are unlinked first and their links restored last.
        for node in nodes:
            _set(node, dict.fromkeys(_LINKS, False))
        for node in nodes:
            before = self._before[node.GetID()]
            gone = [name for name in _LAYERS if before[name] and slicer.mrmlScene.GetNodeByID(before[name]) is None]
            _set(node, {name: value for name, value in before.items() if name not in (*gone, *_LINKS)})
        for node in nodes:
            _set(node, {name: self._before[node.GetID()][name] for name in _LINKS})


def composites() -> list[slicer.vtkMRMLSliceCompositeNode]:
    """The composite nodes of the slice views, which hold what each shows."""
    nodes: list[slicer.vtkMRMLSliceCompositeNode] = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return nodes


def unlink(nodes: list[slicer.vtkMRMLSliceCompositeNode]) -> None:
    """Unlink views, so that a change in one stays there."""
    for node in nodes:
        _set(node, dict.fromkeys(_LINKS, False))


def _state(node: slicer.vtkMRMLSliceCompositeNode) -> dict[str, Any]:
    return {name: getattr(node, f"Get{name}")() for name in (*_LAYERS, *_VALUES, *_LINKS)}


def _set(node: slicer.vtkMRMLSliceCompositeNode, values: dict[str, Any]) -> None:
    for name, value in values.items():
        getattr(node, f"Set{name}")(value)


_SQUARES = 8
"""Along the longest side of the volume."""


def are_on_one_grid(fixed: slicer.vtkMRMLVolumeNode | None, registered: slicer.vtkMRMLVolumeNode | None) -> bool:
    """Whether two volumes still lie on one grid, so that a checkerboard can be made of them."""
    sizes = [node.GetImageData().GetDimensions() for node in (fixed, registered) if node and node.GetImageData()]
    return len(sizes) == 2 and bool(sizes[0] == sizes[1])


def add_checkerboard(
    fixed: slicer.vtkMRMLVolumeNode, registered: slicer.vtkMRMLVolumeNode
) -> slicer.vtkMRMLScalarVolumeNode:
    """Put a checkerboard of two volumes on one grid into a new node, which is hidden and not saved with the scene.

    Each volume is shown with its own window and level; colours are averaged to grey.
    """
    node = add_hidden_node("vtkMRMLScalarVolumeNode", "CSAFusion checkerboard")
    shown = np.where(_squares(fixed), _as_displayed(fixed), _as_displayed(registered))
    slicer.util.updateVolumeFromArray(node, shown)
    node.CopyOrientation(fixed)
    node.SetAndObserveTransformNodeID(fixed.GetTransformNodeID())
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SaveWithSceneOff()
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().SetWindowLevel(255, 127.5)
    return node


def remove_checkerboard(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Remove a checkerboard and its display from the scene, if they are still there."""
    remove_nodes(one for one in (node.GetDisplayNode(), node) if one is not None)


def _squares(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """(K, J, I), true where the first volume is seen; cubes with sides of about an eighth of the volume."""
    spacing, lengths = np.array(node.GetSpacing()), np.array(node.GetImageData().GetDimensions())
    side = np.maximum(1, (spacing * lengths).max() / _SQUARES / spacing).round().astype(int)
    i, j, k = (np.arange(length) // step for length, step in zip(lengths, side, strict=True))
    return (k[:, None, None] + j[:, None] + i) % 2 == 0


def _as_displayed(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """(K, J, I), uint8: black and white are those of the slice views."""
    array = slicer.util.arrayFromVolume(node).astype(np.float32)
    if array.ndim == 4:
        array = array.mean(axis=-1)
    display = node.GetDisplayNode()
    unit = (array - display.GetLevel()) / max(display.GetWindow(), 1e-6) + 0.5
    return (255 * unit.clip(0, 1)).round().astype(np.uint8)


LAYOUT = 5821
"""Slicer's own layouts are below 1000; the number only has to be free."""

_GROUP = 5821
_VIEWS = (
    ("CSAFusionFixed", "F", "#4A90D9"),
    ("CSAFusionMoving", "M", "#E2A33B"),
    ("CSAFusionOverlay", "O", "#7FB069"),
    ("CSAFusionBoth", "B", "#C44F8B"),
)
_VIEW = """<item><view class="vtkMRMLSliceNode" singletontag="{name}">
<property name="orientation" action="default">Axial</property>
<property name="viewlabel" action="default">{label}</property>
<property name="viewcolor" action="default">{colour}</property>
<property name="viewgroup" action="default">{group}</property>
</view></item>"""


class Comparison:
    """Shows the comparison, and afterwards the views as they were before.

    Args:
        left: called from Slicer's event loop after the user has chosen another layout.
    """

    def __init__(self, left: Callable[[], None] = lambda: None) -> None:
        self._layout = LayoutLoan(LAYOUT, left)
        self._before: SliceViews | None = None
        self._made: list[slicer.vtkMRMLNode] = []

    @property
    def is_shown(self) -> bool:
        """Whether the comparison is shown."""
        return self._before is not None

    def show(
        self,
        fixed: slicer.vtkMRMLVolumeNode | None,
        registered: slicer.vtkMRMLVolumeNode,
        both: slicer.vtkMRMLVolumeNode,
    ) -> None:
        """Show the volumes with one zoom and one position; does nothing where Slicer has no main window.

        Args:
            both: what the fourth view shows: the fused volume, or a checkerboard.
        """
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        self._before = self._before or SliceViews()
        _add_layout(manager)
        self._made += _added_by(lambda: self._layout.begin(manager))
        layers = ((fixed, None), (registered, None), (fixed, registered), (both, None))
        unlink(composites())
        for (name, _, _), (background, foreground) in zip(_VIEWS, layers, strict=True):
            _show(manager.sliceWidget(name), background, foreground)
        # Last: linked, a change in one view would be made in all of them.
        for node in own_composites():
            node.SetLinkedControl(True)
            node.SetHotLinkedControl(True)

    def has(self, node: slicer.vtkMRMLNode) -> bool:
        """Whether a node is one of the views that are shown."""
        return self.is_shown and node in _slice_nodes()

    def set_opacity(self, opacity: float) -> None:
        """Set how much of the registered volume the overlay shows."""
        for node in own_composites():
            node.SetForegroundOpacity(opacity)

    def let_go(self) -> None:
        """Unlink the views before a volume they show is removed: linked views would all switch to another volume."""
        if self.is_shown:
            unlink(own_composites())

    def end(self) -> None:
        """Restore the views, and the layout unless the user has since chosen another."""
        if self._before is None:
            return
        unlink(own_composites())
        self._layout.end()
        manager = slicer.app.layoutManager()
        if manager is not None and manager.layout == LAYOUT:
            # A scene was loaded that had been saved with it.
            manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._before.give_back()
        self._before = None
        # Also views that came with a scene.
        self._made += [node for node in (*_slice_nodes(), *own_composites()) if node not in self._made]
        qt.QTimer.singleShot(0, self._clear_away)

    def _clear_away(self, tries: int = 20) -> None:
        """Remove the views, then the nodes they leave behind, which existing views would restore.

        Views are deleted with the event loop, some time after their nodes.
        """
        if self.is_shown:
            return
        remove_nodes(node for node in self._made if node.IsA("vtkMRMLSliceNode"))
        left = [node for node in self._made if slicer.mrmlScene.IsNodePresent(node)]
        if tries and any(node.IsA("vtkMRMLModelNode") for node in left):
            qt.QTimer.singleShot(50, lambda: self._clear_away(tries - 1))
            return
        remove_nodes(left)
        self._made = []


def own_composites() -> list[slicer.vtkMRMLSliceCompositeNode]:
    """The composite nodes of the four views; none while there are no such views."""
    names = [name for name, _, _ in _VIEWS]
    return [node for node in composites() if node.GetLayoutName() in names]


def _slice_nodes() -> list[slicer.vtkMRMLSliceNode]:
    found = (slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode") for name, _, _ in _VIEWS)
    return [node for node in found if node is not None]


def _added_by(change: Callable[[], None]) -> list[slicer.vtkMRMLNode]:
    """The hidden nodes that views bring with them, and the nodes of the views; none of them is saved with the scene."""
    before = set(map(slicer.mrmlScene.GetNthNode, range(slicer.mrmlScene.GetNumberOfNodes())))
    change()
    now = map(slicer.mrmlScene.GetNthNode, range(slicer.mrmlScene.GetNumberOfNodes()))
    added = [node for node in now if node not in before and (node.GetHideFromEditors() or node in _slice_nodes())]
    for node in added:
        node.SaveWithSceneOff()
    return added


def _add_layout(manager: Any) -> None:
    node = manager.layoutLogic().GetLayoutNode()
    if node.IsLayoutDescription(LAYOUT):
        return
    views = [_VIEW.format(name=name, label=label, colour=colour, group=_GROUP) for name, label, colour in _VIEWS]
    rows = "".join(f'<item><layout type="horizontal">{left}{right}</layout></item>' for left, right in _pairs(views))
    node.AddLayoutDescription(LAYOUT, f'<layout type="vertical">{rows}</layout>')


def _pairs(views: list[str]) -> list[tuple[str, str]]:
    return list(zip(views[::2], views[1::2], strict=True))


def _show(
    widget: Any, background: slicer.vtkMRMLVolumeNode | None, foreground: slicer.vtkMRMLVolumeNode | None
) -> None:
    composite = widget.mrmlSliceCompositeNode()
    composite.SetBackgroundVolumeID(background.GetID() if background else None)
    composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
    composite.SetForegroundOpacity(0.5)
    if background is not None:
        widget.mrmlSliceNode().RotateToVolumePlane(background)
    widget.sliceLogic().FitSliceToBackground()


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
        # Otherwise the plot would report the same points again with each later click.
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
