"""The volume rendering of a fused volume: one preset for grey ones and one for those in colour."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util

# Opacity against the fused value, for a whole head: air and the faint edge of the skin are clear, what is bright in
# either source (bone, uptake) stands out of soft tissue.
_OPACITY = ((0.0, 0.0), (0.15, 0.0), (0.35, 0.06), (0.6, 0.25), (1.0, 0.85))
_LUMINANCE = (0.299, 0.587, 0.114)
_RENDERED = "CSAFusion.rendered"
"""Under which a fused volume in colour refers to the volume that is rendered in its place."""


def render_fused(fused: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeRenderingDisplayNode:
    """Show a fused volume in the 3-D views; returns its display node, which is used again the next time."""
    in_colour = fused.IsA("vtkMRMLVectorVolumeNode")
    display = _display_of(_with_opacity(fused) if in_colour else fused)
    properties = display.GetVolumePropertyNode()
    with slicer.util.NodeModify(properties):
        _set_opacity(properties, 255.0 if in_colour else 1.0)
        if in_colour:
            # Red, green and blue are shown as they are, and the fourth component goes through the opacity.
            properties.GetVolumeProperty().IndependentComponentsOff()
            properties.GetVolumeProperty().ShadeOff()
        else:
            _set_grey(properties)
            properties.GetVolumeProperty().ShadeOn()
    display.SetVisibility(True)
    return display


def _display_of(volume: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeRenderingDisplayNode:
    logic = slicer.modules.volumerendering.logic()
    display = logic.GetFirstVolumeRenderingDisplayNode(volume)
    if display is None:
        # Not CreateDefaultVolumeRenderingNodes: the preset it looks for is replaced here anyway.
        display = slicer.mrmlScene.AddNode(logic.CreateVolumeRenderingDisplayNode())
        display.UnRegister(None)
        logic.UpdateDisplayNodeFromVolumeNode(display, volume)
        volume.AddAndObserveDisplayNodeID(display.GetID())
    return display


def _with_opacity(fused: slicer.vtkMRMLVectorVolumeNode) -> slicer.vtkMRMLVectorVolumeNode:
    """A hidden copy with the luminance as a fourth component: three are none that could be rendered."""
    copy = fused.GetNodeReference(_RENDERED)
    if copy is None:
        copy = fused.GetScene().AddNewNodeByClass("vtkMRMLVectorVolumeNode", f"{fused.GetName()} rendered")
        copy.HideFromEditorsOn()
        fused.SetNodeReferenceID(_RENDERED, copy.GetID())
    colours = slicer.util.arrayFromVolume(fused)
    luminance = (colours @ np.array(_LUMINANCE, np.float32)).round().astype(np.uint8)
    slicer.util.updateVolumeFromArray(copy, np.concatenate([colours, luminance[..., None]], axis=-1))
    copy.SetVoxelVectorType(copy.VoxelVectorTypeColorRGBA)
    copy.CopyOrientation(fused)
    copy.SetAndObserveTransformNodeID(fused.GetTransformNodeID())
    copy.CreateDefaultDisplayNodes()
    return copy


def _set_opacity(properties: slicer.vtkMRMLVolumePropertyNode, white: float) -> None:
    opacity = properties.GetScalarOpacity()
    opacity.RemoveAllPoints()
    for value, alpha in _OPACITY:
        opacity.AddPoint(white * value, alpha)


def _set_grey(properties: slicer.vtkMRMLVolumePropertyNode) -> None:
    colour = properties.GetColor()
    colour.RemoveAllPoints()
    for value in (0.0, 1.0):
        colour.AddRGBPoint(value, value, value, value)
