"""Results out: images in volume nodes that lie exactly on the fixed node."""

from __future__ import annotations

from typing import Any

import SimpleITK as sitk
import slicer
import slicer.util
from slicer.i18n import tr as _

from CSAFusionLib.slicer_host.provenance import write_provenance
from CSAFusionLib.slicer_host.subject_hierarchy import place_beside

FIXED_ROLE = "CSAFusion.fixed"
"""Under which a fused node refers to the volume whose grid it has."""
_BLUE_TO_RED = "vtkMRMLColorTableNodeFileDivergingBlueRed.txt"


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
    node = _write(image, fixed, _("{fixed} + {moving} fused").format(fixed=fixed.GetName(), moving=moving_name), output)
    write_provenance(node, provenance)
    node.SetNodeReferenceID(FIXED_ROLE, fixed.GetID())
    _show_range(node, 0.0, 255.0 if node.IsA("vtkMRMLVectorVolumeNode") else 1.0)
    return node


def write_registered(
    image: sitk.Image,
    fixed: slicer.vtkMRMLVolumeNode,
    moving: slicer.vtkMRMLVolumeNode,
    output: slicer.vtkMRMLVolumeNode | None = None,
) -> slicer.vtkMRMLVolumeNode:
    """Put the moving volume, resampled on the fixed grid, into a node that is shown as the moving one is."""
    node = _write(image, fixed, _("{moving} on {fixed}").format(moving=moving.GetName(), fixed=fixed.GetName()), output)
    shown = moving.GetDisplayNode()
    if shown is not None:
        node.GetDisplayNode().CopyContent(shown)
        _show_range(node, *(shown.GetLevel() + sign * shown.GetWindow() / 2 for sign in (-1, 1)))
    return node


def write_contribution(
    image: sitk.Image, fixed: slicer.vtkMRMLVolumeNode, output: slicer.vtkMRMLVolumeNode | None = None
) -> slicer.vtkMRMLVolumeNode:
    """Put the fixed volume's share, in [0, 1], into a node shown from blue (moving) over white to red (fixed)."""
    node = _write(image, fixed, _("Share of {fixed}").format(fixed=fixed.GetName()), output)
    _show_range(node, 0.0, 1.0)
    if fixed.GetScene().GetNodeByID(_BLUE_TO_RED) is not None:
        node.GetDisplayNode().SetAndObserveColorNodeID(_BLUE_TO_RED)
    return node


def _write(
    image: sitk.Image, fixed: slicer.vtkMRMLVolumeNode, name: str, output: slicer.vtkMRMLVolumeNode | None
) -> slicer.vtkMRMLVolumeNode:
    wanted = "vtkMRMLVectorVolumeNode" if image.GetNumberOfComponentsPerPixel() == 3 else "vtkMRMLScalarVolumeNode"
    if output is None or output.GetClassName() != wanted:
        output = fixed.GetScene().AddNewNodeByClass(wanted, fixed.GetScene().GenerateUniqueName(name))
    with slicer.util.NodeModify(output):
        slicer.util.updateVolumeFromArray(output, sitk.GetArrayViewFromImage(image))
        if output.IsA("vtkMRMLVectorVolumeNode"):
            output.SetVoxelVectorType(output.VoxelVectorTypeColorRGB)
        # Spacing, origin and directions one by one: a matrix would be taken apart again, and rounded.
        output.CopyOrientation(fixed)
        output.SetAndObserveTransformNodeID(fixed.GetTransformNodeID())
    output.CreateDefaultDisplayNodes()
    place_beside(output, fixed)
    return output


def _show_range(node: slicer.vtkMRMLVolumeNode, black: float, white: float) -> None:
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(white - black, (white + black) / 2)
