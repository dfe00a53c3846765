"""Checks which nodes and settings are compatible, and puts ROIs and masks of the scene on the grids of volumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from slicer.i18n import tr as _

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import Style
from CSAFusionLib.registration.registration import Method, RegistrationMasks, TransformModel
from CSAFusionLib.slicer_host.engines import engine_of
from CSAFusionLib.slicer_host.nodes import (
    add_hidden_node,
    ijk_to_ras_of,
    matrix_from_vtk,
    remove_nodes,
    transform_between,
)
from CSAFusionLib.slicer_host.volume_nodes import check_image, volume_from_node
from CSAFusionLib.slicer_host.wording import title_of

Masks = tuple[slicer.vtkMRMLNode | None, slicer.vtkMRMLNode | None]
"""Of the fixed and of the moving volume: label volumes or segmentations."""


def check_nodes(
    fixed: slicer.vtkMRMLVolumeNode | None,
    moving: slicer.vtkMRMLVolumeNode | None,
    outputs: Iterable[slicer.vtkMRMLNode] = (),
    mask: slicer.vtkMRMLNode | None = None,
) -> None:
    """Check that the inputs are there and hold images, and that no output would change an input.

    Raises:
        InputError: one sentence that says what to select.
    """
    if fixed is None:
        raise InputError(_("Select the fixed volume: the result gets its grid."))
    if moving is None:
        raise InputError(_("Select the moving volume: it is aligned to the fixed one."))
    if fixed is moving:
        raise InputError(_("'{name}' is selected twice; select two different volumes.").format(name=fixed.GetName()))
    for node in (fixed, moving):
        check_image(node)
    for output in outputs:
        if output in (fixed, moving, mask):
            text = _("'{name}' is an input; select another node for the result, or a new one.")
            raise InputError(text.format(name=output.GetName()))
        for node in (fixed, moving):
            if _is_moved_by(node, output):
                text = _("The transform '{name}' already moves '{volume}'; select another one, or a new one.")
                raise InputError(text.format(name=output.GetName(), volume=node.GetName()))


def check_registration(method: Method, model: TransformModel) -> None:
    """Check that a method can find transforms of a model.

    Raises:
        InputError: it cannot; the sentence says what it can find.
    """
    if method.models and model not in method.models:
        able = _(" or ").join(f"'{title_of(other)}'" for other in method.models)
        text = _("{method} cannot find a '{model}' transform; choose {able}, or another method.")
        raise InputError(text.format(method=title_of(method), model=title_of(model), able=able))


def _is_moved_by(node: slicer.vtkMRMLTransformableNode, transform: slicer.vtkMRMLNode) -> bool:
    parent = node.GetParentTransformNode()
    return parent is not None and (parent is transform or _is_moved_by(parent, transform))


def check_style(style: Style) -> None:
    """Check that the scene can show a result of this style.

    Raises:
        InputError: it cannot.
    """
    if style is Style.SIDE_BY_SIDE:
        raise InputError(
            _("Side by side, a result has no place in the scene; press 'Compare side by side' for a fused one instead.")
        )


def check_masks(method: Method, masks: Masks, *, in_batch: bool = False) -> None:
    """Check that the registration method uses masks.

    Args:
        in_batch: whether a batch process runs it instead of a Slicer module.

    Raises:
        InputError: it does not.
    """
    is_blind = not method.takes_masks or (engine_of(method) is not None and not in_batch)
    if is_blind and any(mask is not None for mask in masks):
        text = _("{method} ignores registration masks in this Slicer; choose another method, or no mask.")
        raise InputError(text.format(method=title_of(method)))


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
    """Return the masks in which a registration compares two volumes, each on the grid of its volume.

    Args:
        nodes: the fixed and the moving volume.
        images: both volumes, expressed in the frame.
        masks: one for each volume, a label volume or a segmentation as in :func:`region_on_grid`; None for everywhere.
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
    """A (K, J, I) array of the voxels of a grid, expressed in a frame, that lie in a mask."""
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
