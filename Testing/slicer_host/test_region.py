"""A ROI and a mask of the scene, wherever their transforms put them, as voxels of the fixed node."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk

from CSAFusionLib.errors import InputError
from CSAFusionLib.slicer_host.region import region_on_grid
from Testing.host.scene import (
    LEFT_HANDED,
    OBLIQUE,
    a_blob,
    a_linear_transform_node,
    a_nonlinear_transform_node,
    a_volume_node,
    rotation,
    snapshot,
    to_world,
)

BOX = (9.0, 13.0, 17.0)


@pytest.fixture
def fixed():
    return a_volume_node("F", a_blob(), OBLIQUE, parent=a_linear_transform_node(rotation(25, (5, -4, 3), axis=0)))


@pytest.fixture
def segmentations(monkeypatch):
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    modules = SimpleNamespace(segmentations=SimpleNamespace(logic=lambda: logic))
    monkeypatch.setattr(slicer, "modules", modules, raising=False)


def centres_in_world(node) -> np.ndarray:
    """(K, J, I, 3) RAS of every voxel."""
    k, j, i = np.indices(a_blob().shape).reshape(3, -1)
    ras = np.stack([i, j, k, np.ones_like(i)], axis=1) @ OBLIQUE.T
    return to_world(node, ras[:, :3]).reshape(*a_blob().shape, 3)


def a_roi(centre, parent=None):
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
    roi.SetSize(*BOX)
    roi.SetCenter(*centre)
    if parent:
        roi.SetAndObserveTransformNodeID(parent.GetID())
    return roi


def voxels(region) -> np.ndarray:
    return sitk.GetArrayFromImage(region)


def test_without_either_there_is_no_region(fixed):
    assert region_on_grid(fixed) is None


def test_a_box_holds_the_voxels_whose_centres_lie_in_it_in_the_world(fixed):
    world = centres_in_world(fixed)
    middle = world[7, 11, 13]
    parent = a_linear_transform_node(rotation(40, (1, 2, 3)))
    roi = a_roi(np.linalg.inv(rotation(40, (1, 2, 3)))[:3] @ [*middle, 1], parent)
    inverse = np.linalg.inv(rotation(40, (1, 2, 3)))
    local = world @ inverse[:3, :3].T + inverse[:3, 3] - np.array([0.0, 0, 0])
    centre = inverse[:3] @ [*middle, 1]
    expected = (np.abs(local - centre) <= np.array(BOX) / 2).all(axis=-1)
    np.testing.assert_array_equal(voxels(region_on_grid(fixed, roi)) == 1, expected)
    assert 50 < expected.sum() < expected.size / 4


def test_a_label_volume_counts_where_its_labels_lie_in_the_world(fixed):
    labels = (a_blob() > 40).astype(np.uint8) * 3
    mask = a_volume_node("mask", labels, OBLIQUE, parent=fixed.GetParentTransformNode())
    np.testing.assert_array_equal(voxels(region_on_grid(fixed, mask=mask)), labels > 0)
    shifted = a_volume_node("mask", labels, OBLIQUE @ np.diag([1, 1, 1, 1.0]), parent=fixed.GetParentTransformNode())
    shifted.SetOrigin(*(np.array(fixed.GetOrigin()) + OBLIQUE[:3, 2]))
    np.testing.assert_array_equal(voxels(region_on_grid(fixed, mask=shifted))[1:], (labels > 0)[:-1])


def test_a_segmentation_counts_where_its_shown_segments_lie_and_leaves_no_node(fixed, segmentations):
    labels = a_volume_node("labels", (a_blob() > 40).astype(np.uint8), LEFT_HANDED)
    labels_map = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "map")
    slicer.util.updateVolumeFromArray(labels_map, slicer.util.arrayFromVolume(labels))
    matrix = vtk.vtkMatrix4x4()
    fixed.GetIJKToRASMatrix(matrix)
    labels_map.SetIJKToRASMatrix(matrix)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S")
    segmentation.CreateDefaultDisplayNodes()
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels_map, segmentation)
    segmentation.SetAndObserveTransformNodeID(fixed.GetTransformNodeID())
    before = set(snapshot())
    np.testing.assert_array_equal(voxels(region_on_grid(fixed, mask=segmentation)), a_blob() > 40)
    assert set(snapshot()) == before


def test_an_empty_segmentation_is_told(fixed, segmentations):
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S")
    segmentation.CreateDefaultDisplayNodes()
    before = set(snapshot())
    with pytest.raises(InputError, match="'S'"):
        region_on_grid(fixed, mask=segmentation)
    assert set(snapshot()) == before


def test_box_and_mask_must_meet(fixed):
    roi = a_roi(centres_in_world(fixed)[7, 11, 13])
    corner = np.zeros(a_blob().shape, np.uint8)
    corner[0, 0, 0] = 1
    mask = a_volume_node("mask", corner, OBLIQUE, parent=fixed.GetParentTransformNode())
    with pytest.raises(InputError, match="Nothing of 'F' lies in 'R' and 'mask'"):
        region_on_grid(fixed, roi, mask)


def test_a_box_through_a_nonlinear_transform_is_refused(fixed):
    fixed.SetAndObserveTransformNodeID(a_nonlinear_transform_node().GetID())
    with pytest.raises(InputError, match="harden"):
        region_on_grid(fixed, a_roi((0, 0, 0)))
