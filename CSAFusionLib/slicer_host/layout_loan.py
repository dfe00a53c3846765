"""A layout that is shown for a while, and the one from before afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk


class LayoutLoan:
    """Shows a layout until it is ended, and tells when the user leaves it by another way.

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
        """Give the layout back, unless the user has chosen another one meanwhile."""
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
