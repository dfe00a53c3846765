"""Volume nodes as volumes, and results as volume nodes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

from CSAFusionLib.errors import InputError
from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.slicer_host.volume_nodes import sample_of_node, volume_from_node, write_fused
from Testing.host.scene import (
    ANISOTROPIC,
    LEFT_HANDED,
    OBLIQUE,
    SHEARED,
    a_blob,
    a_blob_node,
    a_linear_transform_node,
    a_nonlinear_transform_node,
    a_volume_node,
    ijk_to_ras_of,
    rotation,
    snapshot,
    to_world,
)


@pytest.mark.parametrize("matrix", [OBLIQUE, LEFT_HANDED, ANISOTROPIC, SHEARED])
def test_an_image_lies_where_its_node_does(matrix):
    node = a_blob_node("A", matrix)
    volume = volume_from_node(node)
    np.testing.assert_allclose(ijk_to_ras(volume.image), matrix, atol=1e-12)
    assert volume.image.GetSize() == (26, 22, 14)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), a_blob())
    assert volume.name == "A"


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "f4", "f8"])
def test_the_voxel_type_is_kept(dtype):
    node = a_volume_node("A", a_blob().astype(dtype), OBLIQUE)
    assert sitk.GetArrayViewFromImage(volume_from_node(node).image).dtype == np.dtype(dtype)


def test_colour_voxels_stay_together():
    colours = np.random.default_rng(0).integers(0, 255, (4, 5, 6, 3), dtype=np.uint8)
    image = volume_from_node(a_volume_node("A", colours, OBLIQUE)).image
    assert image.GetNumberOfComponentsPerPixel() == 3
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), colours)


def test_a_nonlinear_transform_adds_no_voxels_that_are_no_numbers():
    voxels = a_blob()
    node = a_volume_node("A", voxels, OBLIQUE, parent=a_nonlinear_transform_node())
    whole = sitk.GetArrayFromImage(volume_from_node(node).image)
    slicer.util.arrayFromVolume(node)[0, 0, 0] = np.nan
    volume = volume_from_node(node)
    told = int(volume.notes[0].split("has ")[1].split()[0])
    assert told < 0.01 * whole.size
    assert sitk.GetArrayFromImage(volume.image).min() == pytest.approx(whole.min(), abs=1e-3)


def test_voxels_that_are_no_numbers_are_filled_with_a_note():
    voxels = a_blob()
    voxels[0, 0, :3] = np.nan
    node = a_volume_node("A", voxels, OBLIQUE)
    volume = volume_from_node(node)
    array = sitk.GetArrayFromImage(volume.image)
    assert (array[0, 0, :3] == np.nanmin(voxels)).all()
    assert "has 3 voxels that are not finite" in volume.notes[0]
    assert np.isfinite(sitk.GetArrayViewFromImage(sample_of_node(node, (100, 100, 100)).image)).all()


def test_the_image_has_its_own_voxels():
    node = a_blob_node("A")
    image = volume_from_node(node).image
    slicer.util.arrayFromVolume(node)[:] = 0
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), a_blob())


def test_nested_linear_transforms_go_into_the_geometry_and_no_voxel_is_interpolated():
    outer = a_linear_transform_node(rotation(30, (1, 2, 3)))
    inner = a_linear_transform_node(np.diag([1.1, 0.9, 1.0, 1.0]) @ rotation(-20, (5, 0, 0), axis=0), parent=outer)
    node = a_blob_node("A", parent=inner)
    volume = volume_from_node(node)
    corners = np.array([[0, 0, 0], [25, 0, 0], [0, 21, 0], [3, 4, 13]])
    seen = to_world(node, (np.c_[corners, np.ones(4)] @ OBLIQUE.T)[:, :3])
    lps = np.array([volume.image.TransformIndexToPhysicalPoint(corner.tolist()) for corner in corners])
    np.testing.assert_allclose(lps * [-1, -1, 1], seen, atol=1e-9)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), a_blob())


def test_under_a_common_transform_even_a_nonlinear_one_the_image_is_untouched():
    parent = a_nonlinear_transform_node()
    node = a_blob_node("A", parent=parent)
    volume = volume_from_node(node, parent)
    np.testing.assert_allclose(ijk_to_ras(volume.image), OBLIQUE, atol=1e-12)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume.image), a_blob())


def test_the_frame_of_another_transform_is_taken_off():
    frame = a_linear_transform_node(rotation(40, (9, 9, 9)))
    node = a_blob_node("A")
    volume = volume_from_node(node, frame)
    np.testing.assert_allclose(ijk_to_ras(volume.image), np.linalg.inv(rotation(40, (9, 9, 9))) @ OBLIQUE, atol=1e-12)


@pytest.mark.parametrize("with_linear_parent", [False, True])
def test_through_a_nonlinear_transform_every_voxel_lands_where_it_is_seen(with_linear_parent):
    outer = a_linear_transform_node(rotation(15, (30, -20, 10))) if with_linear_parent else None
    node = a_blob_node("A", parent=a_nonlinear_transform_node(parent=outer))
    image = volume_from_node(node).image
    indices = np.random.default_rng(1).integers((2, 2, 2), (24, 20, 12), (200, 3))
    seen = to_world(node, (np.c_[indices, np.ones(200)] @ OBLIQUE.T)[:, :3])
    values = [image.EvaluateAtPhysicalPoint((point * [-1, -1, 1]).tolist(), sitk.sitkLinear) for point in seen]
    errors = np.abs(values - a_blob()[tuple(indices.T[::-1])])
    # Linear interpolation twice blurs a little; a volume left in place would be wrong by 6 on average.
    assert errors.mean() < 0.6 and errors.max() < 4


def test_outside_a_bent_volume_is_its_lowest_value():
    node = a_volume_node("A", a_blob() - 1000, OBLIQUE, parent=a_nonlinear_transform_node(strength=20))
    array = sitk.GetArrayFromImage(volume_from_node(node).image)
    assert array.shape != a_blob().shape
    assert array.min() == pytest.approx(a_blob().min() - 1000)
    assert array[0, 0, 0] == pytest.approx(a_blob().min() - 1000)


def test_bent_colour_stays_colour():
    colours = (np.stack([a_blob(), a_blob(seed=1), a_blob(seed=2)], axis=-1)).astype(np.uint8)
    image = volume_from_node(a_volume_node("A", colours, OBLIQUE, parent=a_nonlinear_transform_node())).image
    assert image.GetNumberOfComponentsPerPixel() == 3
    np.testing.assert_allclose(sitk.GetArrayFromImage(image).max(axis=(0, 1, 2)), colours.max(axis=(0, 1, 2)), atol=6)


@pytest.mark.parametrize("transform", [a_linear_transform_node, a_nonlinear_transform_node])
def test_reading_changes_nothing_in_the_scene(transform):
    parent = transform(rotation(10)) if transform is a_linear_transform_node else transform()
    node = a_blob_node("A", parent=parent)
    before = snapshot()
    volume_from_node(node)
    assert snapshot() == before


def test_the_modality_of_the_dicom_import_is_a_hint(scene):
    node = a_blob_node("A")
    assert volume_from_node(node).modality_hint is None
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert volume_from_node(node).modality_hint is None
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", "PT")
    assert volume_from_node(node).modality_hint == "PT"


def test_a_node_without_an_image_is_named(scene):
    with pytest.raises(InputError, match="'Empty' holds no image"):
        volume_from_node(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))


def test_a_geometry_without_volume_is_named():
    node = a_blob_node("Flat", parent=a_linear_transform_node(np.diag([1.0, 0, 1, 1])))
    with pytest.raises(InputError, match="'Flat' has axes that do not span space"):
        volume_from_node(node)


@pytest.mark.parametrize("most", [(5, 4, 3), (100, 100, 100)])
def test_a_sample_holds_voxels_of_the_node_where_they_are(most):
    node = a_blob_node("A", parent=a_linear_transform_node(rotation(30)))
    sample = sample_of_node(node, most).image
    assert all(length < 2 * wanted + 1 for length, wanted in zip(sample.GetSize(), most, strict=True))
    whole = volume_from_node(node, node.GetParentTransformNode()).image
    for index in [(0, 0, 0), tuple(length - 1 for length in sample.GetSize())]:
        there = whole.TransformPhysicalPointToIndex(sample.TransformIndexToPhysicalPoint(index))
        assert sample[index] == whole[there]
    if max(most) == 100:
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sample), a_blob())


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
