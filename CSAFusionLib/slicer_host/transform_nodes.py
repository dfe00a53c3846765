"""Transforms between MRML (RAS, VTK) and ITK (LPS), and a registration as a node that moves the moving volume."""

from __future__ import annotations

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
from CSAFusionLib.slicer_host.nodes import place_beside

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
