"""Volume rendering of a fused volume."""

from __future__ import annotations

import slicer
import slicer.util

# Opacity against the fused value, for a whole head: air and the faint edge of the skin are clear, what is bright in
# either source (bone, uptake) stands out of soft tissue.
_OPACITY = ((0.0, 0.0), (0.15, 0.0), (0.35, 0.06), (0.6, 0.25), (1.0, 0.85))


def can_render(fused: slicer.vtkMRMLVolumeNode) -> bool:
    """Whether Slicer can render it: it has no volume rendering for three colour components."""
    return not fused.IsA("vtkMRMLVectorVolumeNode")


def render_fused(fused: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeRenderingDisplayNode:
    """Show a grey fused volume in the 3-D views; returns its display node, which is used again the next time."""
    logic = slicer.modules.volumerendering.logic()
    display = logic.GetFirstVolumeRenderingDisplayNode(fused)
    if display is None:
        display = logic.CreateDefaultVolumeRenderingNodes(fused)
    properties = display.GetVolumePropertyNode()
    with slicer.util.NodeModify(properties):
        opacity = properties.GetScalarOpacity()
        opacity.RemoveAllPoints()
        for value, alpha in _OPACITY:
            opacity.AddPoint(value, alpha)
        colour = properties.GetColor()
        colour.RemoveAllPoints()
        for value in (0.0, 1.0):
            colour.AddRGBPoint(value, value, value, value)
        properties.GetVolumeProperty().ShadeOn()
    display.SetVisibility(True)
    return display
