"""Converts volume nodes to backend volumes and results to volume nodes on the fixed grid, and renders them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from CSAFusionLib.errors import InputError
from CSAFusionLib.slicer_host.nodes import (
    RAS_TO_LPS,
    RENDERED,
    add_hidden_node,
    ijk_to_ras_of,
    matrix_from_vtk,
    place_beside,
    transform_between,
    vtk_from_matrix,
    write_provenance,
)
from CSAFusionLib.volumes.reading import fill_non_finite
from CSAFusionLib.volumes.volume import Volume


def check_image(node: slicer.vtkMRMLVolumeNode) -> None:
    """Check that a volume node holds an image of a kind that can be fused.

    Raises:
        InputError: it does not; one sentence.
    """
    data = node.GetImageData()
    if data is None or data.GetNumberOfPoints() == 0 or data.GetPointData().GetScalars() is None:
        text = _("The volume '{name}' holds no image; load one into it or select another volume.")
        raise InputError(text.format(name=node.GetName()))
    if not node.IsA("vtkMRMLScalarVolumeNode"):
        text = _("'{name}' is a {kind}; select a scalar or RGB volume.")
        raise InputError(text.format(name=node.GetName(), kind=node.GetNodeTagName()))


def volume_from_node(node: slicer.vtkMRMLVolumeNode, frame: slicer.vtkMRMLTransformNode | None = None) -> Volume:
    """The voxels of a volume node, with their geometry as seen from a frame; the node and its scene stay as they are.

    A linear transform between the two goes into the geometry, so that no voxel is interpolated; through a nonlinear one
    the image is resampled with the node's own spacing, and holds its lowest value where the node has no voxels.

    Non-finite voxels become the lowest value, and a note counts them.

    Args:
        node: scalar or RGB volume.
        frame: transform node under which the geometry is expressed; None is the world.

    Raises:
        InputError: the node holds no image, or an image of a kind that cannot be fused.
    """
    filled, notes = fill_non_finite(image_from_node(node, frame))
    return Volume(filled, node.GetName(), dicom_modality(node), notes)


def image_from_node(node: slicer.vtkMRMLVolumeNode, frame: slicer.vtkMRMLTransformNode | None = None) -> sitk.Image:
    """The image of :func:`volume_from_node` with unchanged voxels; the same errors."""
    check_image(node)
    to_frame = transform_between(node.GetParentTransformNode(), frame)
    linear = vtk.vtkTransform()
    if slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(to_frame, linear):
        matrix = matrix_from_vtk(linear.GetMatrix()) @ ijk_to_ras_of(node)
        return _image(slicer.util.arrayFromVolume(node), matrix, node.GetName())
    return _resampled(node, to_frame)


def sample_of_node(node: slicer.vtkMRMLVolumeNode, most: tuple[int, int, int]) -> Volume:
    """A sample of a node's voxels for a quick estimate; its parent transform is ignored.

    Args:
        most: about how many voxels to take along i, j and k, evenly spread over the length of each.

    Raises:
        InputError: as :func:`volume_from_node`.
    """
    check_image(node)
    lengths = np.array(node.GetImageData().GetDimensions())
    steps = np.maximum(1, (lengths / most).round().astype(int))
    first = (lengths - 1) % steps // 2
    i, j, k = (slice(start, None, step) for start, step in zip(first, steps, strict=True))
    grid = np.diag([*steps, 1.0])
    grid[:3, 3] = first
    taken = np.ascontiguousarray(slicer.util.arrayFromVolume(node)[k, j, i])
    sample, _ = fill_non_finite(_image(taken, ijk_to_ras_of(node) @ grid, node.GetName()))
    return Volume(sample, node.GetName(), dicom_modality(node))


def _image(array: np.ndarray, ijk_to_ras: np.ndarray, name: str) -> sitk.Image:
    """An image of an array indexed k, j, i (and component), with its own copy of the voxels."""
    lps = RAS_TO_LPS @ ijk_to_ras
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    if not np.isfinite(lps).all() or abs(np.linalg.det(lps[:3, :3])) < 1e-9 * max(spacing.prod(), 1e-9):
        text = _("The volume '{name}' has axes that do not span space; correct its geometry or its transform.")
        raise InputError(text.format(name=name))
    image = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def _resampled(node: slicer.vtkMRMLVolumeNode, to_frame: vtk.vtkGeneralTransform) -> sitk.Image:
    """The node's image pushed through a nonlinear transform, on its own grid grown to hold all of it."""
    ijk_to_ras = ijk_to_ras_of(node)
    first, last = _extent_after(node, to_frame, ijk_to_ras)
    data = node.GetImageData()
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(data)
    reslice.SetResliceTransform(_ijk_to_ijk(to_frame.GetInverse(), ijk_to_ras))
    reslice.SetInterpolationModeToLinear()
    voxels = slicer.util.arrayFromVolume(node)
    finite = voxels[np.isfinite(voxels)]
    reslice.SetBackgroundLevel(float(finite.min()) if finite.size else 0.0)
    reslice.SetOutputOrigin(*first.astype(float))
    reslice.SetOutputSpacing(1, 1, 1)
    reslice.SetOutputExtent(*itertools.chain.from_iterable((0, int(length)) for length in last - first))
    reslice.Update()
    shift = np.eye(4)
    shift[:3, 3] = first
    return _image(_array_of(reslice.GetOutput()), ijk_to_ras @ shift, node.GetName())


def _extent_after(
    node: slicer.vtkMRMLVolumeNode, to_frame: vtk.vtkGeneralTransform, ijk_to_ras: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First and last index of the node's grid to which a transform may move voxels, from a lattice of its points."""
    axes = [np.linspace(-0.5, length - 0.5, 25) for length in node.GetImageData().GetDimensions()]
    before, after = vtk.vtkPoints(), vtk.vtkPoints()
    for points in (before, after):
        points.SetDataTypeToDouble()
    for point in itertools.product(*axes):
        before.InsertNextPoint(point)
    _ijk_to_ijk(to_frame, ijk_to_ras).TransformPoints(before, after)
    reached = vtk_to_numpy(after.GetData())
    return np.floor(reached.min(axis=0)).astype(int), np.ceil(reached.max(axis=0)).astype(int)


def _ijk_to_ijk(ras_to_ras: vtk.vtkAbstractTransform, ijk_to_ras: np.ndarray) -> vtk.vtkGeneralTransform:
    """A transform of points in RAS as one of voxel indices."""
    indices = vtk.vtkGeneralTransform()
    indices.PostMultiply()
    indices.Concatenate(vtk_from_matrix(ijk_to_ras))
    indices.Concatenate(ras_to_ras)
    indices.Concatenate(vtk_from_matrix(np.linalg.inv(ijk_to_ras)))
    return indices


def _array_of(data: vtk.vtkImageData) -> np.ndarray:
    flat = vtk_to_numpy(data.GetPointData().GetScalars())
    return flat.reshape((*reversed(data.GetDimensions()), *flat.shape[1:]))


def dicom_modality(node: slicer.vtkMRMLVolumeNode) -> str | None:
    """The Modality tag that the DICOM import left in the subject hierarchy, where there is one."""
    hierarchy = node.GetScene() and node.GetScene().GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    if not hierarchy:
        return None
    item = hierarchy.GetItemByDataNode(node)
    if item == hierarchy.GetInvalidItemID():
        return None
    attribute = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    return hierarchy.GetItemAttribute(item, attribute) or None


FIXED_ROLE = "CSAFusion.fixed"
"""Role of the reference from a fused node to the volume whose grid it has."""
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
        moving_name: used in the name of a new node.
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
    """Put the moving volume, resampled on the fixed grid, into a node displayed like the moving one."""
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
        # Spacing, origin and directions are set one by one: a matrix would be decomposed again, with rounding.
        output.CopyOrientation(fixed)
        output.SetAndObserveTransformNodeID(fixed.GetTransformNodeID())
    output.CreateDefaultDisplayNodes()
    place_beside(output, fixed)
    return output


def _show_range(node: slicer.vtkMRMLVolumeNode, black: float, white: float) -> None:
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(white - black, (white + black) / 2)


# Opacity against the luminance of a volume in colour: air and the faint edge of the skin are clear, and structures that
# are bright in either source (bone, uptake) stand out from soft tissue.
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
