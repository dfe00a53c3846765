"""Nodes that CSAFusion adds: hidden nodes, the study and provenance of a result, and nodes removed with a result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import slicer
import slicer.util


def add_hidden_node(class_name: str, name: str, *, saved: bool = False) -> slicer.vtkMRMLNode:
    """Add a node that no selector lists.

    It is hidden before it is added: a selector decides when a node is added, and still lists a node hidden later.

    Args:
        saved: whether it is saved with the scene.
    """
    node = slicer.mrmlScene.CreateNodeByClass(class_name)
    node.UnRegister(None)
    node.HideFromEditorsOn()
    node.SetSaveWithScene(saved)
    node.SetName(name)
    return slicer.mrmlScene.AddNode(node)


def place_beside(node: slicer.vtkMRMLNode, sibling: slicer.vtkMRMLNode) -> None:
    """File a node under the same study as another one, so that users find it there and can export it with the study.

    Does nothing if the scene has no subject hierarchy or the sibling is not in it: Slicer files each node itself, a
    scene outside the application does not.
    """
    hierarchy = node.GetScene().GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    if hierarchy is None:
        return
    item_of_sibling = hierarchy.GetItemByDataNode(sibling)
    if item_of_sibling == hierarchy.GetInvalidItemID():
        return
    parent = hierarchy.GetItemParent(item_of_sibling)
    item = hierarchy.GetItemByDataNode(node)
    if item == hierarchy.GetInvalidItemID():
        hierarchy.CreateItem(parent, node)
    else:
        hierarchy.SetItemParent(item, parent)


PREFIX = "CSAFusion."
# Kept whole, so that a run can be repeated from it.
_WHOLE = "settings"


def write_provenance(node: slicer.vtkMRMLNode, provenance: dict[str, Any]) -> None:
    """Keep plain JSON values as attributes, one for each item; those of an earlier result are removed."""
    for old in _names(node):
        node.RemoveAttribute(old)
    for key, value in provenance.items():
        is_group = isinstance(value, dict) and key != _WHOLE
        parts = {f"{key}.{name}": part for name, part in value.items()} if is_group else {key: value}
        for name, part in parts.items():
            node.SetAttribute(PREFIX + name, part if _reads_as_text(part) else json.dumps(part))


def provenance_of(node: slicer.vtkMRMLNode) -> dict[str, Any]:
    """The provenance that :func:`write_provenance` stored; empty for a node that is not a result."""
    found: dict[str, Any] = {}
    for name in _names(node):
        group, _, item = name.removeprefix(PREFIX).partition(".")
        value = _parsed(node.GetAttribute(name))
        if item:
            found.setdefault(group, {})[item] = value
        else:
            found[group] = value
    return found


def is_result(node: slicer.vtkMRMLNode) -> bool:
    """Whether a node is a result that :func:`write_provenance` has marked."""
    return bool(_names(node))


def _names(node: slicer.vtkMRMLNode) -> list[str]:
    return [name for name in node.GetAttributeNames() if name.startswith(PREFIX)]


def _reads_as_text(part: Any) -> bool:
    """Whether a text cannot be mistaken for another JSON value, and so is stored unquoted."""
    return isinstance(part, str) and _parsed(part) == part and not part.startswith('"')


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


RENDERED = "CSAFusion.rendered"
"""Role of the reference from a fused colour volume to the volume that is rendered in its place."""
SLICE_TABLE = "CSAFusion.figures"
"""Role of the reference from a fused volume to the table of its slices; saved scenes use this name."""
CHART = "CSAFusion.chart"
"""Role of the reference from a table of slices to its plot."""


def belongings_of(node: slicer.vtkMRMLNode) -> list[slicer.vtkMRMLNode]:
    """The nodes to remove together with a result; none for other nodes."""
    found = list(_displays_of(node)) if node.IsA("vtkMRMLVolumeNode") and is_result(node) else []
    for one in filter(None, (node.GetNodeReference(role) for role in (RENDERED, SLICE_TABLE, CHART))):
        found += [one, *belongings_of(one)]
        if one.IsA("vtkMRMLVolumeNode"):
            found += _displays_of(one)
        elif one.IsA("vtkMRMLPlotChartNode"):
            found += [one.GetNthPlotSeriesNode(index) for index in range(one.GetNumberOfPlotSeriesNodes())]
    return [one for one in found if one is not None]


def remove_nodes(nodes: Iterable[slicer.vtkMRMLNode]) -> None:
    """Remove nodes that are still in the scene."""
    for node in list(nodes):
        if slicer.mrmlScene.IsNodePresent(node):
            slicer.mrmlScene.RemoveNode(node)


def _displays_of(volume: slicer.vtkMRMLVolumeNode) -> Iterator[slicer.vtkMRMLNode]:
    """The display nodes of a volume, and the volume property of a rendering unless another one shares it."""
    for display in filter(None, map(volume.GetNthDisplayNode, range(volume.GetNumberOfDisplayNodes()))):
        yield display
        if display.IsA("vtkMRMLVolumeRenderingDisplayNode"):
            properties = display.GetVolumePropertyNode()
            every = slicer.util.getNodesByClass("vtkMRMLVolumeRenderingDisplayNode")
            if not any(one is not display and one.GetVolumePropertyNode() is properties for one in every):
                yield properties
