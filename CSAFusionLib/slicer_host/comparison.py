"""Four linked views side by side: fixed, registered moving, overlay, and a volume made of both; and the way back."""

from __future__ import annotations

from typing import Any

import slicer

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
    """Shows the comparison, and afterwards the layout that was there before."""

    def __init__(self) -> None:
        self._before: int | None = None

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
        if manager.layout != LAYOUT:
            self._before = manager.layout
        _add_layout(manager)
        manager.setLayout(LAYOUT)
        layers = ((fixed, None), (registered, None), (fixed, registered), (both, None))
        for (name, _, _), (background, foreground) in zip(_VIEWS, layers, strict=True):
            _show(manager.sliceWidget(name), background, foreground)

    def end(self) -> None:
        """Give the layout back, unless the user has chosen another one meanwhile."""
        manager = slicer.app.layoutManager()
        if manager is not None and self._before is not None and manager.layout == LAYOUT:
            manager.setLayout(self._before)
        self._before = None


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
    composite.SetLinkedControl(False)
    composite.SetBackgroundVolumeID(background.GetID() if background else None)
    composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
    composite.SetForegroundOpacity(0.5)
    if background is not None:
        widget.mrmlSliceNode().RotateToVolumePlane(background)
    widget.sliceLogic().FitSliceToBackground()
    # Last: linked, a change in one view would be made in all of them.
    composite.SetLinkedControl(True)
    composite.SetHotLinkedControl(True)
