"""The volume rendering of a fused volume: one preset for grey ones and one for those in colour."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util

from CSAFusionLib.slicer_host.nodes import RENDERED, add_hidden_node

# Opacity against the luminance of a volume in colour: air and the faint edge of the skin are clear, what is bright in
# either source (bone, uptake) stands out of soft tissue.
_COLOUR_OPACITY = ((0.0, 0.0), (0.15, 0.0), (0.35, 0.06), (0.6, 0.25), (1.0, 0.85))
_LUMINANCE = (0.299, 0.587, 0.114)
# Of a grey volume the same is read off its own values, as shares of those that are not air.
_AIR = 0.05
_SAMPLES = 500_000


def render_fused(fused: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeRenderingDisplayNode:
    """Show a fused volume in the 3-D views; returns its display node, which the next call reuses."""
    in_colour = fused.IsA("vtkMRMLVectorVolumeNode")
    display = _display_of(_with_opacity(fused) if in_colour else fused)
    properties = display.GetVolumePropertyNode()
    with slicer.util.NodeModify(properties):
        # Shading would turn the inside of soft tissue black, which has no surface, and take three times as long.
        properties.GetVolumeProperty().ShadeOff()
        if in_colour:
            # Red, green and blue are shown as they are, and the fourth component goes through the opacity.
            properties.GetVolumeProperty().IndependentComponentsOff()
            _set_opacity(properties, [(255 * value, alpha) for value, alpha in _COLOUR_OPACITY])
        else:
            opacity, brightness = grey_functions(slicer.util.arrayFromVolume(fused))
            _set_opacity(properties, opacity)
            _set_grey(properties, brightness)
    display.SetVisibility(True)
    return display


def update_rendering(fused: slicer.vtkMRMLVolumeNode) -> None:
    """Update the rendering of a fused volume, if there is one; a hidden rendering stays hidden."""
    display = _first_display(fused.GetNodeReference(RENDERED) or fused)
    if display is not None:
        shown = display.GetVisibility()
        render_fused(fused)
        display.SetVisibility(shown)


def grey_functions(values: np.ndarray) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """How opaque and how bright the values of a grey volume in [0, 1] are, as points (value, share) that rise.

    The darker half of the head is clear enough to see into it, and its brightest tissue is white.
    """
    some = values.ravel()[:: max(1, values.size // _SAMPLES)]
    seen = some[some > _AIR]
    tenth, half, nine_tenths, most = np.quantile(seen, (0.1, 0.5, 0.9, 0.95)) if seen.size else (0.1, 0.5, 0.9, 0.95)
    opacity = [(0.0, 0.0), (half / 2, 0.0), (half, 0.2), (nine_tenths, 0.9), (1.0, 0.95)]
    brightness = [(0.0, 0.0), (tenth / 2, 0.0), (most, 1.0), (1.0, 1.0)]
    return _rising(opacity), _rising(brightness)


def _rising(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep points at different values: a transfer function keeps only one of two at the same value."""
    values = np.array([value for value, _ in points])
    values = np.maximum.accumulate(values + 1e-4 * np.arange(len(values)))
    return [(float(value), share) for value, (_, share) in zip(values, points, strict=True)]


def _display_of(volume: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeRenderingDisplayNode:
    display = _first_display(volume)
    if display is None:
        display = slicer.modules.volumerendering.logic().CreateVolumeRenderingDisplayNode()
        slicer.mrmlScene.AddNode(display)
        display.UnRegister(None)
        # Not by the logic, which would look for the volume before the display node has one, and add a ROI.
        properties = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumePropertyNode", f"{volume.GetName()} property")
        properties.GetVolumeProperty().SetInterpolationTypeToLinear()
        display.SetAndObserveVolumePropertyNodeID(properties.GetID())
        volume.AddAndObserveDisplayNodeID(display.GetID())
    return display


def _first_display(volume: slicer.vtkMRMLVolumeNode) -> slicer.vtkMRMLVolumeRenderingDisplayNode | None:
    displays = (volume.GetNthDisplayNode(index) for index in range(volume.GetNumberOfDisplayNodes()))
    return next((one for one in displays if one and one.IsA("vtkMRMLVolumeRenderingDisplayNode")), None)


def _with_opacity(fused: slicer.vtkMRMLVectorVolumeNode) -> slicer.vtkMRMLVectorVolumeNode:
    """A hidden copy with the luminance as a fourth component: volume rendering needs four components."""
    copy = fused.GetNodeReference(RENDERED)
    if copy is None:
        copy = add_hidden_node("vtkMRMLVectorVolumeNode", f"{fused.GetName()} rendered", saved=True)
        fused.SetNodeReferenceID(RENDERED, copy.GetID())
    colours = slicer.util.arrayFromVolume(fused)
    luminance = (colours @ np.array(_LUMINANCE, np.float32)).round().astype(np.uint8)
    slicer.util.updateVolumeFromArray(copy, np.concatenate([colours, luminance[..., None]], axis=-1))
    copy.SetVoxelVectorType(copy.VoxelVectorTypeColorRGBA)
    copy.CopyOrientation(fused)
    copy.SetAndObserveTransformNodeID(fused.GetTransformNodeID())
    copy.CreateDefaultDisplayNodes()
    return copy


def _set_opacity(properties: slicer.vtkMRMLVolumePropertyNode, points: list[tuple[float, float]]) -> None:
    opacity = properties.GetScalarOpacity()
    opacity.RemoveAllPoints()
    for value, alpha in points:
        opacity.AddPoint(value, alpha)


def _set_grey(properties: slicer.vtkMRMLVolumePropertyNode, points: list[tuple[float, float]]) -> None:
    colour = properties.GetColor()
    colour.RemoveAllPoints()
    for value, share in points:
        colour.AddRGBPoint(value, share, share, share)
