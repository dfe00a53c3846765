"""Nodes of our own that no selector offers."""

from __future__ import annotations

import slicer


def add_hidden_node(class_name: str, name: str, *, saved: bool = False) -> slicer.vtkMRMLNode:
    """Add a node that no selector lists.

    It is hidden before it is added: a selector judges a node when it is added, and goes on listing one hidden later.

    Args:
        saved: whether it is saved with the scene.
    """
    node = slicer.mrmlScene.CreateNodeByClass(class_name)
    node.UnRegister(None)
    node.HideFromEditorsOn()
    node.SetSaveWithScene(saved)
    node.SetName(name)
    return slicer.mrmlScene.AddNode(node)
