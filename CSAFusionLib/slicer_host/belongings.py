"""What belongs to a result and goes with it: its rendering, the table of its slices, their plot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import slicer
import slicer.util

from CSAFusionLib.slicer_host.provenance import is_result

RENDERED = "CSAFusion.rendered"
"""Under which a fused volume in colour refers to the volume that is rendered in its place."""
SLICE_TABLE = "CSAFusion.figures"
"""Under which a fused volume refers to the table of its slices; the name is that of scenes saved before."""
CHART = "CSAFusion.chart"
"""Under which a table of slices refers to its plot."""


def belongings_of(node: slicer.vtkMRMLNode) -> list[slicer.vtkMRMLNode]:
    """The nodes that have no use once a node is gone; none for a node that is no result of ours."""
    found = list(_displays_of(node)) if node.IsA("vtkMRMLVolumeNode") and is_result(node) else []
    for one in filter(None, (node.GetNodeReference(role) for role in (RENDERED, SLICE_TABLE, CHART))):
        found += [one, *belongings_of(one)]
        if one.IsA("vtkMRMLVolumeNode"):
            found += _displays_of(one)
        elif one.IsA("vtkMRMLPlotChartNode"):
            found += [one.GetNthPlotSeriesNode(index) for index in range(one.GetNumberOfPlotSeriesNodes())]
    return [one for one in found if one is not None]


def remove_nodes(nodes: Iterable[slicer.vtkMRMLNode]) -> None:
    """Remove nodes from the scene, those that still are in it."""
    for node in list(nodes):
        if slicer.mrmlScene.IsNodePresent(node):
            slicer.mrmlScene.RemoveNode(node)


def _displays_of(volume: slicer.vtkMRMLVolumeNode) -> Iterator[slicer.vtkMRMLNode]:
    """How it is shown, and the volume property of a rendering where no other one uses it too."""
    for display in filter(None, map(volume.GetNthDisplayNode, range(volume.GetNumberOfDisplayNodes()))):
        yield display
        if display.IsA("vtkMRMLVolumeRenderingDisplayNode"):
            properties = display.GetVolumePropertyNode()
            every = slicer.util.getNodesByClass("vtkMRMLVolumeRenderingDisplayNode")
            if not any(one is not display and one.GetVolumePropertyNode() is properties for one in every):
                yield properties
