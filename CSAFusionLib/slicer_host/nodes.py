"""Nodes that CSAFusion adds to the scene, removes with a result, and converts: transforms between MRML and ITK.

MRML holds transforms in RAS as VTK objects, ITK in LPS. A registration becomes a node that moves the moving volume.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from CSAFusionLib.errors import RegistrationError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.geometry.transform_algebra import linear_matrix


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


RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Its own inverse."""


def ijk_to_ras_of(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """The (4, 4) matrix from a node's voxel indices to RAS mm, its parent transform left out."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix_from_vtk(matrix)


def transform_between(
    source: slicer.vtkMRMLTransformNode | None, target: slicer.vtkMRMLTransformNode | None
) -> vtk.vtkGeneralTransform:
    """The transform from points under one transform node to points under another; None is the world."""
    transform = vtk.vtkGeneralTransform()
    if source is not target:
        slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, transform)
    return transform


def matrix_from_vtk(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """A VTK matrix as a (4, 4) float64 array."""
    values: np.ndarray = slicer.util.arrayFromVTKMatrix(matrix)
    return values


def vtk_from_matrix(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """A (4, 4) array as a VTK matrix."""
    return slicer.util.vtkMatrixFromArray(matrix)


# Registration smooths its deformations over several millimetres; a finer grid would only cost memory.
_FINEST_MM = 2.0


def write_transform(
    transform: sitk.Transform,
    fixed: slicer.vtkMRMLVolumeNode,
    moving: slicer.vtkMRMLVolumeNode,
    output: slicer.vtkMRMLTransformNode | None = None,
) -> slicer.vtkMRMLTransformNode:
    """Put a registration into a transform node; the moving node lies on the fixed one once it is put under that node.

    ITK's transform goes from fixed to moving points; a transform node goes from its children to its parent, here from
    moving to fixed points. So ITK's is stored as the one *from* parent, and VTK inverts it. What lies between the two
    nodes' own parent transforms is included: the new node replaces the moving node's parent.

    Args:
        transform: fixed to moving points, LPS mm, in the reference frame.
        output: node to overwrite; a new one is made where it is None or of a class that cannot hold the transform.

    Returns:
        The node that now holds the transform: linear, or a grid of displacements.
    """
    from_frame = transform_between(fixed.GetParentTransformNode(), moving.GetParentTransformNode())
    between = vtk.vtkTransform()
    is_linear = transform.IsLinear() and slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(from_frame, between)
    wanted = "vtkMRMLLinearTransformNode" if is_linear else "vtkMRMLGridTransformNode"
    if output is None or output.GetClassName() not in (wanted, "vtkMRMLTransformNode"):
        name = fixed.GetScene().GenerateUniqueName(f"{moving.GetName()} to {fixed.GetName()}")
        output = fixed.GetScene().AddNewNodeByClass(wanted, name)
    if is_linear:
        lps = RAS_TO_LPS @ linear_matrix(transform) @ RAS_TO_LPS
        output.SetMatrixTransformFromParent(vtk_from_matrix(matrix_from_vtk(between.GetMatrix()) @ lps))
    else:
        output.SetAndObserveTransformFromParent(_grid_transform(transform, from_frame, fixed))
    output.SetAndObserveTransformNodeID(fixed.GetTransformNodeID())
    place_beside(output, fixed)
    return output


def read_transform(node: slicer.vtkMRMLTransformNode) -> sitk.Transform:
    """A node's transform of any kind as an ITK transform: from parent to child points (fixed to moving), LPS mm.

    Raises RegistrationError where Slicer cannot express it so.
    """
    with OwnedFolder() as folder:
        storage = slicer.vtkMRMLTransformStorageNode()
        storage.SetPreferITKv3CompatibleTransforms(False)
        storage.SetFileName(str(folder / "transform.h5"))
        try:
            if storage.WriteData(node):
                return sitk.ReadTransform(storage.GetFileName())
        except RuntimeError:
            # Slicer knows transforms that ITK does not.
            pass
        text = _("The transform '{name}' cannot be read; try another method.")
        raise RegistrationError(text.format(name=node.GetName()))


def _grid_transform(
    transform: sitk.Transform, from_frame: vtk.vtkGeneralTransform, fixed: slicer.vtkMRMLVolumeNode
) -> vtk.vtkAbstractTransform:
    """Displacements in RAS from fixed to moving points, over the fixed volume."""
    to_ras, size = _lattice(fixed)
    spacing = np.linalg.norm(to_ras[:3, :3], axis=0)
    lps = RAS_TO_LPS @ to_ras
    field = sitk.TransformToDisplacementField(
        transform,
        sitk.sitkVectorFloat64,
        size,
        lps[:3, 3].tolist(),
        spacing.tolist(),
        (lps[:3, :3] / spacing).ravel().tolist(),
    )
    k, j, i = np.indices(size[::-1]).reshape(3, -1)
    starts = np.stack([i, j, k], axis=1) @ to_ras[:3, :3].T + to_ras[:3, 3]
    ends = _transformed(starts + sitk.GetArrayFromImage(field).reshape(-1, 3) * [-1, -1, 1], from_frame)
    return _oriented_grid(ends - starts, size, to_ras)


def _lattice(fixed: slicer.vtkMRMLVolumeNode) -> tuple[np.ndarray, list[int]]:
    """The fixed grid, made coarser where it is finer than a deformation needs: its matrix to RAS and its size."""
    to_ras = ijk_to_ras_of(fixed)
    steps = np.maximum(1.0, _FINEST_MM / np.linalg.norm(to_ras[:3, :3], axis=0))
    size = np.ceil((np.array(fixed.GetImageData().GetDimensions()) - 1) / steps).astype(int) + 1
    return to_ras @ np.diag([*steps, 1.0]), size.tolist()


def _oriented_grid(displacements: np.ndarray, size: list[int], to_ras: np.ndarray) -> vtk.vtkAbstractTransform:
    spacing = np.linalg.norm(to_ras[:3, :3], axis=0)
    direction = np.eye(4)
    direction[:3, :3] = to_ras[:3, :3] / spacing
    grid = vtk.vtkImageData()
    grid.SetDimensions(size)
    grid.SetOrigin(to_ras[:3, 3])
    grid.SetSpacing(spacing)
    grid.GetPointData().SetScalars(numpy_to_vtk(displacements, deep=True))
    transform = slicer.vtkOrientedGridTransform()
    transform.SetDisplacementGridData(grid)
    transform.SetGridDirectionMatrix(vtk_from_matrix(direction))
    transform.SetInterpolationModeToCubic()
    return transform


def _transformed(points: np.ndarray, transform: vtk.vtkGeneralTransform) -> np.ndarray:
    linear = vtk.vtkTransform()
    if slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(transform, linear):
        matrix = matrix_from_vtk(linear.GetMatrix())
        return points @ matrix[:3, :3].T + matrix[:3, 3]
    before, after = vtk.vtkPoints(), vtk.vtkPoints()
    before.SetData(numpy_to_vtk(np.ascontiguousarray(points)))
    after.SetDataTypeToDouble()
    transform.TransformPoints(before, after)
    return vtk_to_numpy(after.GetData()).copy()
