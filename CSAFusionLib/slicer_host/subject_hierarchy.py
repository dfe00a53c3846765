"""Where a result is filed: in the patient and study of its input."""

from __future__ import annotations

import slicer


def place_beside(node: slicer.vtkMRMLNode, sibling: slicer.vtkMRMLNode) -> None:
    """File a node under the same study as another one, so that it is found there and can be exported with it.

    Nothing is done where the scene has no subject hierarchy or the sibling is not in it: Slicer files each node by
    itself, a scene without the application does not.
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
