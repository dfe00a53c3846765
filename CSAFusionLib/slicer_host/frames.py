"""Where nodes are: matrices and transforms between MRML (RAS, VTK) and ITK (LPS)."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util
import vtk

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
