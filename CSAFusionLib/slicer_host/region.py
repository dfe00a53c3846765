"""Where to fuse, and where to register: ROIs and masks of the scene as images on the grids of volumes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from slicer.i18n import tr as _

from CSAFusionLib.errors import InputError
from CSAFusionLib.registration.masks import RegistrationMasks
from CSAFusionLib.slicer_host.nodes import add_hidden_node, remove_nodes
from CSAFusionLib.slicer_host.transform_nodes import ijk_to_ras_of, matrix_from_vtk, transform_between
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node


def region_on_grid(
    fixed: slicer.vtkMRMLVolumeNode,
    roi: slicer.vtkMRMLMarkupsROINode | None = None,
    mask: slicer.vtkMRMLNode | None = None,
) -> sitk.Image | None:
    """Mark with 1 (uint8) the voxels of the fixed node inside the ROI and the mask; None if both are None.

    Args:
        roi: a box; seen where its parent transforms put it.
        mask: a label volume (every label counts) or a segmentation (every segment that is shown counts).

    Raises:
        InputError: the two leave no voxel, the mask holds nothing, or a nonlinear transform is in the way of the ROI.
    """
    if roi is None and mask is None:
        return None
    grid = volume_from_node(fixed, fixed.GetParentTransformNode()).image
    inside = np.ones(grid.GetSize()[::-1], np.uint8)
    if roi is not None:
        inside &= _in_roi(fixed, roi)
    if mask is not None:
        inside &= _in_mask(fixed.GetParentTransformNode(), grid, mask)
    if not inside.any():
        names = _(" and ").join(f"'{node.GetName()}'" for node in (roi, mask) if node is not None)
        text = _("Nothing of '{volume}' lies in {names}; move it onto the volume or choose none.")
        raise InputError(text.format(volume=fixed.GetName(), names=names))
    region = sitk.GetImageFromArray(inside)
    region.CopyInformation(grid)
    return region


def _in_roi(fixed: slicer.vtkMRMLVolumeNode, roi: slicer.vtkMRMLMarkupsROINode) -> np.ndarray:
    """A (K, J, I) array of the voxels whose centres lie in the box."""
    to_world = transform_between(fixed.GetParentTransformNode(), None)
    linear = vtk.vtkTransform()
    if not slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(to_world, linear):
        text = _("'{name}' is under a nonlinear transform, with which no ROI can be used; harden the transform.")
        raise InputError(text.format(name=fixed.GetName()))
    box_to_world = matrix_from_vtk(roi.GetObjectToWorldMatrix())
    to_box = np.linalg.inv(box_to_world) @ matrix_from_vtk(linear.GetMatrix()) @ ijk_to_ras_of(fixed)
    size = np.array(roi.GetSize())
    i, j, k = (np.arange(length) for length in fixed.GetImageData().GetDimensions())
    inside = np.ones((len(k), len(j), len(i)), bool)
    for row, length in zip(to_box[:3], size, strict=True):
        position = (row[2] * k)[:, None, None] + (row[1] * j)[:, None] + row[0] * i + row[3]
        inside &= np.abs(position) <= length / 2
    return inside.astype(np.uint8)


def registration_masks(
    nodes: tuple[slicer.vtkMRMLVolumeNode, slicer.vtkMRMLVolumeNode],
    images: tuple[sitk.Image, sitk.Image],
    masks: tuple[slicer.vtkMRMLNode | None, slicer.vtkMRMLNode | None],
    frame: slicer.vtkMRMLTransformNode | None,
) -> RegistrationMasks:
    """Where a registration compares two volumes, each mask on the grid of its volume.

    Args:
        nodes: the fixed and the moving volume.
        images: the two as they are seen from a frame.
        masks: of either; a label volume or a segmentation, as in :func:`region_on_grid`; None compares everywhere.
        frame: transform node under which the images lie; None is the world.

    Raises:
        InputError: a mask marks nothing of its volume.
    """
    marked: list[sitk.Image | None] = []
    for node, image, mask in zip(nodes, images, masks, strict=True):
        if mask is None:
            marked.append(None)
            continue
        inside = sitk.GetImageFromArray(_in_mask(frame, image, mask))
        inside.CopyInformation(image)
        if not sitk.GetArrayViewFromImage(inside).any():
            text = _(
                "The registration mask '{mask}' marks nothing of '{volume}'; move it onto the volume or choose none."
            )
            raise InputError(text.format(mask=mask.GetName(), volume=node.GetName()))
        marked.append(inside)
    return RegistrationMasks.in_memory(*marked)


def _in_mask(frame: slicer.vtkMRMLTransformNode | None, grid: sitk.Image, mask: slicer.vtkMRMLNode) -> np.ndarray:
    """A (K, J, I) array of the voxels of a grid, which is seen from a frame, that lie in a mask."""
    with _as_labels(mask) as labels:
        image = volume_from_node(labels, frame).image
    return (
        sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)) > 0
    ).astype(np.uint8)


@contextmanager
def _as_labels(mask: slicer.vtkMRMLNode) -> Iterator[slicer.vtkMRMLLabelMapVolumeNode]:
    """The mask as a label volume; a segmentation is exported to a temporary hidden one."""
    if mask.IsA("vtkMRMLVolumeNode"):
        yield mask
        return
    labels = add_hidden_node("vtkMRMLLabelMapVolumeNode", "CSAFusion mask")
    try:
        exported = slicer.modules.segmentations.logic().ExportVisibleSegmentsToLabelmapNode(mask, labels)
        if not exported or labels.GetImageData() is None or not labels.GetImageData().GetNumberOfPoints():
            text = _("The segmentation '{name}' shows no segment; show one or choose no mask.")
            raise InputError(text.format(name=mask.GetName()))
        yield labels
    finally:
        display = labels.GetDisplayNode()
        remove_nodes(node for node in (display and display.GetColorNode(), display, labels) if node is not None)
