"""Reference and registered volume in alternating squares: where they are aligned, edges go on from one to the next."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util

from CSAFusionLib.slicer_host.belongings import remove_nodes
from CSAFusionLib.slicer_host.hidden_nodes import add_hidden_node

_SQUARES = 8
"""Along the longest side of the volume."""


def are_on_one_grid(fixed: slicer.vtkMRMLVolumeNode | None, registered: slicer.vtkMRMLVolumeNode | None) -> bool:
    """Whether there are two volumes of which a checkerboard can be made; the user may have changed one of them."""
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
    """Remove a checkerboard and how it is shown from the scene, where it still is there."""
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
