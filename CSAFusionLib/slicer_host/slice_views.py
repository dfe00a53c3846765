"""What the slice views show, and giving it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import slicer.util

_LAYERS = ("BackgroundVolumeID", "ForegroundVolumeID", "LabelVolumeID")
_VALUES = ("ForegroundOpacity", "LabelOpacity")
_LINKS = ("LinkedControl", "HotLinkedControl")


class SliceViews:
    """Remembers the volumes, opacities and links of every slice view that there is, to give them back."""

    def __init__(self) -> None:
        self._before = {node.GetID(): _state(node) for node in composites()}

    def give_back(self, where: Callable[[slicer.vtkMRMLSliceCompositeNode], bool] = lambda node: True) -> None:
        """Set all of it again in the views that are still there; a volume that is gone stays replaced as it was.

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
    """The nodes that say what each slice view shows."""
    nodes: list[slicer.vtkMRMLSliceCompositeNode] = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return nodes


def unlink(nodes: list[slicer.vtkMRMLSliceCompositeNode]) -> None:
    """Part views, so that what happens to one stays there."""
    for node in nodes:
        _set(node, dict.fromkeys(_LINKS, False))


def _state(node: slicer.vtkMRMLSliceCompositeNode) -> dict[str, Any]:
    return {name: getattr(node, f"Get{name}")() for name in (*_LAYERS, *_VALUES, *_LINKS)}


def _set(node: slicer.vtkMRMLSliceCompositeNode, values: dict[str, Any]) -> None:
    for name, value in values.items():
        getattr(node, f"Set{name}")(value)
