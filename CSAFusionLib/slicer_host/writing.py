"""Results out: a fused image in a volume node that lies exactly on the fixed node."""

from __future__ import annotations

import json
from typing import Any

import SimpleITK as sitk
import slicer
import slicer.util

from CSAFusionLib.slicer_host.subject_hierarchy import place_beside

ATTRIBUTE_PREFIX = "CSAFusion."


def write_fused(
    image: sitk.Image,
    provenance: dict[str, Any],
    fixed: slicer.vtkMRMLVolumeNode,
    moving_name: str,
    output: slicer.vtkMRMLVolumeNode | None = None,
) -> slicer.vtkMRMLVolumeNode:
    """Put a fused image into a node on the fixed node's grid, under its parent transform and beside it.

    Args:
        image: on the fixed node's grid; float in [0, 1] for a scalar node, uint8 RGB for a vector node.
        provenance: plain JSON values, kept as attributes of the node.
        moving_name: for the name of a new node.
        output: node to overwrite; a new one is made where it is None or cannot hold the image (grey against colour).

    Returns:
        The node that now holds the image.
    """
    wanted = "vtkMRMLVectorVolumeNode" if image.GetNumberOfComponentsPerPixel() == 3 else "vtkMRMLScalarVolumeNode"
    if output is None or output.GetClassName() != wanted:
        name = f"{fixed.GetName()} + {moving_name} fused"
        output = fixed.GetScene().AddNewNodeByClass(wanted, fixed.GetScene().GenerateUniqueName(name))
    with slicer.util.NodeModify(output):
        slicer.util.updateVolumeFromArray(output, sitk.GetArrayViewFromImage(image))
        if output.IsA("vtkMRMLVectorVolumeNode"):
            output.SetVoxelVectorType(output.VoxelVectorTypeColorRGB)
        # Spacing, origin and directions one by one: a matrix would be taken apart again, and rounded.
        output.CopyOrientation(fixed)
        output.SetAndObserveTransformNodeID(fixed.GetTransformNodeID())
        _set_provenance(output, provenance)
    _set_display(output)
    place_beside(output, fixed)
    return output


def _set_provenance(node: slicer.vtkMRMLNode, provenance: dict[str, Any]) -> None:
    """One attribute for each item; the settings stay whole, so that a run can be repeated from them."""
    for old in [name for name in node.GetAttributeNames() if name.startswith(ATTRIBUTE_PREFIX)]:
        node.RemoveAttribute(old)
    for key, value in provenance.items():
        parts = {f"{key}.{name}": part for name, part in value.items()} if _is_group(key, value) else {key: value}
        for name, part in parts.items():
            node.SetAttribute(ATTRIBUTE_PREFIX + name, part if isinstance(part, str) else json.dumps(part))


def _is_group(key: str, value: Any) -> bool:
    return isinstance(value, dict) and key != "settings"


def _set_display(node: slicer.vtkMRMLVolumeNode) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    white = 255.0 if node.IsA("vtkMRMLVectorVolumeNode") else 1.0
    display.SetWindowLevel(white, white / 2)
