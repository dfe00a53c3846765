"""Real MRML nodes for the tests, and what a scene is like at a moment."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import vtk_to_numpy

OBLIQUE = np.array(
    [
        [0.8 * 0.9, -0.6 * 1.1, 0.0, -20.1],
        [0.6 * 0.9, 0.8 * 1.1, 0.0, 13.7],
        [0.0, 0.0, 2.3, -33.3],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
LEFT_HANDED = OBLIQUE @ np.diag([-1.0, 1.0, 1.0, 1.0])
ANISOTROPIC = np.array([[-0.31, 0, 0, 7], [0, -0.31, 0, 8], [0, 0, 4.7, 9], [0, 0, 0, 1]])
SHEARED = OBLIQUE @ np.array([[1, 0.1, 0, 0], [0, 1, 0.2, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def a_blob(shape: tuple[int, int, int] = (14, 22, 26), seed: int = 0) -> np.ndarray:
    """A smooth float32 array k, j, i, different everywhere, low at its border."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(-1, 1, length) for length in shape], indexing="ij")
    centre = rng.uniform(-0.2, 0.2, 3)
    squares = [(axis - offset) ** 2 / width for axis, offset, width in zip(axes, centre, (0.3, 0.2, 0.25), strict=True)]
    return (100 * np.exp(-sum(squares)) + 5 * np.exp(-((axes[0] - 0.4) ** 2 + (axes[2] + 0.3) ** 2) / 0.05)).astype(
        "f4"
    )


def a_volume_node(name: str, array: np.ndarray, ijk_to_ras: np.ndarray, parent=None) -> slicer.vtkMRMLVolumeNode:
    """A volume node in the scene: scalar for k, j, i, vector for k, j, i, component."""
    class_name = "vtkMRMLVectorVolumeNode" if array.ndim == 4 else "vtkMRMLScalarVolumeNode"
    node = slicer.mrmlScene.AddNewNodeByClass(class_name, name)
    slicer.util.updateVolumeFromArray(node, array)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras))
    node.CreateDefaultDisplayNodes()
    if parent is not None:
        node.SetAndObserveTransformNodeID(parent.GetID())
    return node


def a_blob_node(
    name: str, ijk_to_ras: np.ndarray = OBLIQUE, parent=None, *, seed: int = 0
) -> slicer.vtkMRMLScalarVolumeNode:
    """A volume node with a blob in it."""
    return a_volume_node(name, a_blob(seed=seed), ijk_to_ras, parent)


def _ijk_to_ras(node: slicer.vtkMRMLVolumeNode) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix


def pixels_in_view(node: slicer.vtkMRMLScalarVolumeNode, k: int) -> np.ndarray:
    """What a slice view shows of the volume's slice k, (J, I, RGBA) uint8, by Slicer's own pipeline."""
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    view = logic.AddSliceNode("pixels")
    logic.GetSliceCompositeNode().SetBackgroundVolumeID(node.GetID())
    node.GetDisplayNode().SetInterpolate(False)
    columns, rows, _ = node.GetImageData().GetDimensions()
    axes = slicer.util.arrayFromVTKMatrix(_ijk_to_ras(node))
    pose = np.eye(4)
    pose[:3, :3] = axes[:3, :3] / node.GetSpacing()
    pose[:3, 3] = (axes @ ((columns - 1) / 2, (rows - 1) / 2, k, 1))[:3]
    view.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(pose))
    view.SetDimensions(columns, rows, 1)
    view.SetFieldOfView(columns * node.GetSpacing()[0], rows * node.GetSpacing()[1], 1)
    view.UpdateMatrices()
    port = logic.GetBackgroundLayer().GetImageDataConnection()
    port.GetProducer().Update()
    data = port.GetProducer().GetOutputDataObject(port.GetIndex())
    pixels = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(rows, columns, -1).copy()
    for own in (logic.GetSliceCompositeNode(), view):
        slicer.mrmlScene.RemoveNode(own)
    return pixels


def a_linear_transform_node(matrix: np.ndarray, parent=None) -> slicer.vtkMRMLLinearTransformNode:
    """A linear transform node; the matrix is the one to parent."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "linear")
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.array(matrix, dtype=float)))
    if parent is not None:
        node.SetAndObserveTransformNodeID(parent.GetID())
    return node


def a_nonlinear_transform_node(strength: float = 4.0, parent=None) -> slicer.vtkMRMLTransformNode:
    """A thin-plate spline that bends the space within some centimetres of the origin."""
    around = [(x, y, z) for x in (-60, 60) for y in (-60, 60) for z in (-60, 60)]
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for point in around:
        source.InsertNextPoint(point)
        target.InsertNextPoint(point)
    source.InsertNextPoint(0, 0, 0)
    target.InsertNextPoint(strength, -strength / 2, strength)
    spline = vtk.vtkThinPlateSplineTransform()
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "spline")
    node.SetAndObserveTransformToParent(spline)
    if parent is not None:
        node.SetAndObserveTransformNodeID(parent.GetID())
    return node


def a_b_spline(image: sitk.Image, strength: float = 2.0) -> sitk.BSplineTransform:
    """A smooth deformation of some millimetres over an image."""
    transform = sitk.BSplineTransformInitializer(image, [3, 3, 3])
    count = len(transform.GetParameters())
    transform.SetParameters(np.random.default_rng(0).normal(0, strength, count).tolist())
    return transform


def rotation(degrees: float, shift: tuple[float, float, float] = (0, 0, 0), axis: int = 2) -> np.ndarray:
    """A (4, 4) rigid matrix."""
    transform = vtk.vtkTransform()
    transform.Translate(shift)
    transform.RotateWXYZ(degrees, *np.eye(3)[axis])
    return slicer.util.arrayFromVTKMatrix(transform.GetMatrix())


def ijk_to_ras_of(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """The matrix as the node gives it, parent transforms left out."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def to_world(node: slicer.vtkMRMLTransformableNode, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) of a node in RAS, where its parent transforms put them."""
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    return np.array([transform.TransformPoint(point) for point in points])


def snapshot() -> dict[str, tuple]:
    """Everything of the scene that a run must leave alone, node by node: what is in it, and when it last changed."""
    scene = slicer.mrmlScene
    return {node.GetID(): _state(node) for node in map(scene.GetNthNode, range(scene.GetNumberOfNodes()))}


def _state(node: slicer.vtkMRMLNode) -> tuple:
    attributes = tuple((name, node.GetAttribute(name)) for name in sorted(node.GetAttributeNames()))
    state: tuple = (node.GetName(), attributes)
    if node.IsA("vtkMRMLTransformableNode"):
        state += (node.GetTransformNodeID(),)
    if node.IsA("vtkMRMLVolumeNode") and node.GetImageData():
        state += (node.GetImageData().GetMTime(), slicer.util.arrayFromVolume(node).tobytes())
    # Last: to be asked for its transform node counts as a change.
    return (*state, node.GetMTime())
