"""Fused images become nodes that lie exactly on the fixed node."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from CSAFusionLib.slicer_host.volume_nodes import write_fused
from Testing.host.scene import (
    ANISOTROPIC,
    LEFT_HANDED,
    OBLIQUE,
    SHEARED,
    a_blob,
    a_blob_node,
    a_linear_transform_node,
    a_volume_node,
    ijk_to_ras_of,
    rotation,
    snapshot,
)

GREY = sitk.GetImageFromArray((a_blob() / 110).astype(np.float32))
COLOUR = sitk.GetImageFromArray(np.stack([a_blob(seed=n) for n in range(3)], axis=-1).astype(np.uint8), isVector=True)
PROVENANCE = {
    "notice": "Research use only, not for diagnosis.",
    "versions": {"csafusion": "0.1.0", "torch": "2.8.0"},
    "settings": {"plane": "AXIAL", "fixed_window": {"level": 40, "width": 80}},
    "weights": {"name": "ct-mri", "sha256": "ab12"},
    "registration": {"method": "SITK", "model": "RIGID", "metric": {"mutual information": 0.7}},
    "warnings": [],
}


@pytest.mark.parametrize("matrix", [OBLIQUE, LEFT_HANDED, ANISOTROPIC, SHEARED])
@pytest.mark.parametrize("image", [GREY, COLOUR], ids=["grey", "colour"])
def test_the_grid_is_the_fixed_one_to_the_last_bit(matrix, image):
    fixed = a_blob_node("F", matrix)
    node = write_fused(image, {}, fixed, "M")
    assert ijk_to_ras_of(node).tobytes() == ijk_to_ras_of(fixed).tobytes()
    assert (node.GetSpacing(), node.GetOrigin()) == (fixed.GetSpacing(), fixed.GetOrigin())
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), sitk.GetArrayFromImage(image))


def test_the_result_is_seen_where_the_fixed_volume_is():
    parent = a_linear_transform_node(rotation(30, (1, 2, 3)))
    fixed = a_blob_node("F", parent=parent)
    assert write_fused(GREY, {}, fixed, "M").GetParentTransformNode() is parent


def test_grey_is_a_scalar_node_shown_from_zero_to_one():
    node = write_fused(GREY, {}, a_blob_node("F"), "M")
    assert node.GetClassName() == "vtkMRMLScalarVolumeNode"
    display = node.GetDisplayNode()
    assert not display.GetAutoWindowLevel()
    assert (display.GetWindow(), display.GetLevel()) == (1, 0.5)


def test_colour_is_a_vector_node_of_bytes_shown_as_it_is():
    node = write_fused(COLOUR, {}, a_blob_node("F"), "M")
    assert node.GetClassName() == "vtkMRMLVectorVolumeNode"
    assert slicer.util.arrayFromVolume(node).dtype == np.uint8
    assert node.GetVoxelVectorType() == node.VoxelVectorTypeColorRGB
    assert (node.GetDisplayNode().GetWindow(), node.GetDisplayNode().GetLevel()) == (255, 127.5)


def test_a_new_node_is_named_after_both_inputs_and_is_never_a_namesake():
    fixed = a_blob_node("F")
    first, second = (write_fused(GREY, {}, fixed, "M") for _ in range(2))
    assert first.GetName() == "F + M fused"
    assert second.GetName().startswith("F + M fused") and second.GetName() != first.GetName()


def test_a_given_node_is_overwritten_and_keeps_its_name():
    fixed = a_blob_node("F")
    given = a_volume_node("Mine", a_blob((2, 3, 4)), ANISOTROPIC, parent=a_linear_transform_node(rotation(5)))
    given.SetAttribute("CSAFusion.of an older run", "1")
    given.SetAttribute("Theirs", "kept")
    number = slicer.mrmlScene.GetNumberOfNodes()
    assert write_fused(GREY, PROVENANCE, fixed, "M", given) is given
    assert slicer.mrmlScene.GetNumberOfNodes() == number
    assert given.GetName() == "Mine" and given.GetParentTransformNode() is None
    assert ijk_to_ras_of(given).tobytes() == ijk_to_ras_of(fixed).tobytes()
    assert given.GetAttribute("CSAFusion.of an older run") is None and given.GetAttribute("Theirs") == "kept"


def test_a_given_node_that_cannot_hold_colour_is_left_alone():
    given = a_blob_node("Mine", ANISOTROPIC)
    fixed = a_blob_node("F")
    before = snapshot()
    node = write_fused(COLOUR, {}, fixed, "M", given)
    assert node is not given and node.GetClassName() == "vtkMRMLVectorVolumeNode"
    assert {key: state for key, state in snapshot().items() if key in before} == before


def test_provenance_is_one_attribute_for_each_item():
    node = write_fused(GREY, PROVENANCE, a_blob_node("F"), "M")
    assert node.GetAttribute("CSAFusion.notice") == PROVENANCE["notice"]
    assert node.GetAttribute("CSAFusion.weights.name") == "ct-mri"
    assert node.GetAttribute("CSAFusion.weights.sha256") == "ab12"
    assert node.GetAttribute("CSAFusion.versions.torch") == "2.8.0"
    assert node.GetAttribute("CSAFusion.registration.method") == "SITK"
    assert json.loads(node.GetAttribute("CSAFusion.registration.metric")) == {"mutual information": 0.7}
    assert json.loads(node.GetAttribute("CSAFusion.settings")) == PROVENANCE["settings"]


def test_the_inputs_stay_as_they_are():
    fixed = a_blob_node("F", parent=a_linear_transform_node(rotation(30)))
    before = snapshot()
    write_fused(GREY, PROVENANCE, fixed, "M")
    assert {key: state for key, state in snapshot().items() if key in before} == before


def test_the_result_is_filed_beside_the_fixed_volume(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Study")
    fixed = a_blob_node("F")
    hierarchy.CreateItem(folder, fixed)
    node = write_fused(GREY, {}, fixed, "M")
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
