"""How results are shown: four linked slice views, and the volume rendering of a fused volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import qt
import slicer
import slicer.util

from CSAFusionLib.slicer_host.nodes import RENDERED, add_hidden_node, remove_nodes
from CSAFusionLib.slicer_host.slice_table import LayoutLoan

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
        # Links reach every view: first no view is linked, last all are as they were.
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

    Each volume is seen through its own window and level; of colours the mean is taken.
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
        """Unlink the views before a volume they show is removed: linked views would all switch to another one."""
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
        """Remove the views, then what they leave behind: while they exist they would restore it.

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


# Opacity against the luminance of a volume in colour: air and the faint edge of the skin are clear, what is bright in
# either source (bone, uptake) stands out of soft tissue.
_COLOUR_OPACITY = ((0.0, 0.0), (0.15, 0.0), (0.35, 0.06), (0.6, 0.25), (1.0, 0.85))
_LUMINANCE = (0.299, 0.587, 0.114)
# Of a grey volume the same is read off its own values, as shares of those that are not air.
_AIR = 0.05
_SAMPLES = 500_000


def render_fused(fused: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeRenderingDisplayNode:
    """Show a fused volume in the 3-D views; returns its display node, which the next call reuses."""
    in_colour = fused.IsA("vtkMRMLVectorVolumeNode")
    display = _display_of(_with_opacity(fused) if in_colour else fused)
    properties = display.GetVolumePropertyNode()
    with slicer.util.NodeModify(properties):
        # Shading would turn the inside of soft tissue black, which has no surface, and take three times as long.
        properties.GetVolumeProperty().ShadeOff()
        if in_colour:
            # Red, green and blue are shown as they are, and the fourth component goes through the opacity.
            properties.GetVolumeProperty().IndependentComponentsOff()
            _set_opacity(properties, [(255 * value, alpha) for value, alpha in _COLOUR_OPACITY])
        else:
            opacity, brightness = grey_functions(slicer.util.arrayFromVolume(fused))
            _set_opacity(properties, opacity)
            _set_grey(properties, brightness)
    display.SetVisibility(True)
    return display


def update_rendering(fused: slicer.vtkMRMLVolumeNode) -> None:
    """Update the rendering of a fused volume, if there is one; a hidden rendering stays hidden."""
    display = _first_display(fused.GetNodeReference(RENDERED) or fused)
    if display is not None:
        shown = display.GetVisibility()
        render_fused(fused)
        display.SetVisibility(shown)


def grey_functions(values: np.ndarray) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """How opaque and how bright the values of a grey volume in [0, 1] are, as points (value, share) that rise.

    The darker half of the head is clear enough to see into it, and its brightest tissue is white.
    """
    some = values.ravel()[:: max(1, values.size // _SAMPLES)]
    seen = some[some > _AIR]
    tenth, half, nine_tenths, most = np.quantile(seen, (0.1, 0.5, 0.9, 0.95)) if seen.size else (0.1, 0.5, 0.9, 0.95)
    opacity = [(0.0, 0.0), (half / 2, 0.0), (half, 0.2), (nine_tenths, 0.9), (1.0, 0.95)]
    brightness = [(0.0, 0.0), (tenth / 2, 0.0), (most, 1.0), (1.0, 1.0)]
    return _rising(opacity), _rising(brightness)


def _rising(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep points at different values: a transfer function keeps only one of two at the same value."""
    values = np.array([value for value, _ in points])
    values = np.maximum.accumulate(values + 1e-4 * np.arange(len(values)))
    return [(float(value), share) for value, (_, share) in zip(values, points, strict=True)]


def _display_of(volume: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeRenderingDisplayNode:
    display = _first_display(volume)
    if display is None:
        display = slicer.modules.volumerendering.logic().CreateVolumeRenderingDisplayNode()
        slicer.mrmlScene.AddNode(display)
        display.UnRegister(None)
        # Not by the logic, which would look for the volume before the display node has one, and add a ROI.
        properties = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumePropertyNode", f"{volume.GetName()} property")
        properties.GetVolumeProperty().SetInterpolationTypeToLinear()
        display.SetAndObserveVolumePropertyNodeID(properties.GetID())
        volume.AddAndObserveDisplayNodeID(display.GetID())
    return display


def _first_display(volume: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeRenderingDisplayNode | None:
    displays = (volume.GetNthDisplayNode(index) for index in range(volume.GetNumberOfDisplayNodes()))
    return next((one for one in displays if one and one.IsA("vtkMRMLVolumeRenderingDisplayNode")), None)


def _with_opacity(fused: slicer.vtkMRMLVectorVolumeNode) -> slicer.vtkMRMLVectorVolumeNode:
    """A hidden copy with the luminance as a fourth component: volume rendering needs four components."""
    copy = fused.GetNodeReference(RENDERED)
    if copy is None:
        copy = add_hidden_node("vtkMRMLVectorVolumeNode", f"{fused.GetName()} rendered", saved=True)
        fused.SetNodeReferenceID(RENDERED, copy.GetID())
    colours = slicer.util.arrayFromVolume(fused)
    luminance = (colours @ np.array(_LUMINANCE, np.float32)).round().astype(np.uint8)
    slicer.util.updateVolumeFromArray(copy, np.concatenate([colours, luminance[..., None]], axis=-1))
    copy.SetVoxelVectorType(copy.VoxelVectorTypeColorRGBA)
    copy.CopyOrientation(fused)
    copy.SetAndObserveTransformNodeID(fused.GetTransformNodeID())
    copy.CreateDefaultDisplayNodes()
    return copy


def _set_opacity(properties: slicer.vtkMRMLVolumePropertyNode, points: list[tuple[float, float]]) -> None:
    opacity = properties.GetScalarOpacity()
    opacity.RemoveAllPoints()
    for value, alpha in points:
        opacity.AddPoint(value, alpha)


def _set_grey(properties: slicer.vtkMRMLVolumePropertyNode, points: list[tuple[float, float]]) -> None:
    colour = properties.GetColor()
    colour.RemoveAllPoints()
    for value, share in points:
        colour.AddRGBPoint(value, share, share, share)
