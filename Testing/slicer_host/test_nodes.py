"""Nodes of our own, and the nodes into which the results of a fusion go."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
import vtk

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.result import FusionResult
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.registration import Method, Registration
from CSAFusionLib.slicer_host.fusion_job import OPTIONAL, Outputs, place_result
from CSAFusionLib.slicer_host.nodes import (
    SLICE_TABLE,
    add_hidden_node,
    belongings_of,
    place_beside,
    provenance_of,
    remove_nodes,
    write_provenance,
)
from CSAFusionLib.slicer_host.slice_table import chart_of, write_slice_table
from CSAFusionLib.slicer_host.validation import region_on_grid
from CSAFusionLib.slicer_host.volume_nodes import grey_functions, render_fused, update_rendering, volume_from_node
from Testing.host.pythonqt import wrapper_class
from Testing.host.scene import (
    LEFT_HANDED,
    OBLIQUE,
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
from Testing.host.widgets import qMRMLNodeComboBox


@pytest.fixture
def table(volumes):
    names = ("ssim_fixed", "ssim_moving", "correlation_fixed", "correlation_moving")
    return write_slice_table(dict.fromkeys(names, [0.5, 0.6]), np.zeros((2, 3)), *volumes)


def a_result(in_colour: bool):
    voxels = np.full((2, 3, 4, 3), 100, np.uint8) if in_colour else a_blob()
    fused = a_volume_node("fused", voxels, OBLIQUE)
    write_provenance(fused, {"notice": "n"})
    return fused


@pytest.mark.parametrize("in_colour", [False, True])
def test_without_its_belongings_nothing_is_left_of_a_result(module, volumes, in_colour, request):
    before = set(snapshot())
    fused = a_result(in_colour)
    own = {fused.GetID()}
    render_fused(fused)
    fused.SetNodeReferenceID(SLICE_TABLE, request.getfixturevalue("table").GetID())
    remove_nodes(belongings_of(fused))
    assert set(snapshot()) == before | own


def test_with_a_table_go_its_chart_and_series(volumes, table):
    chart = chart_of(table)
    assert belongings_of(table) == [chart, chart.GetNthPlotSeriesNode(0), chart.GetNthPlotSeriesNode(1)]
    assert belongings_of(chart) == []


def test_a_volume_of_the_users_keeps_its_rendering(module, volumes):
    render_fused(volumes[0])
    assert belongings_of(volumes[0]) == []


def test_a_volume_property_that_another_rendering_uses_stays(module, volumes):
    fused = a_result(in_colour=False)
    shared = render_fused(fused).GetVolumePropertyNode()
    render_fused(volumes[0]).SetAndObserveVolumePropertyNodeID(shared.GetID())
    assert shared not in belongings_of(fused)
    remove_nodes([*belongings_of(fused), *belongings_of(fused)])
    assert slicer.mrmlScene.IsNodePresent(shared)


def test_no_selector_lists_a_node_that_was_hidden_before_it_was_added(scene):
    selector = wrapper_class(qMRMLNodeComboBox)()
    selector.nodeTypes = ("vtkMRMLScalarVolumeNode",)
    selector.setMRMLScene(scene)
    node = add_hidden_node("vtkMRMLScalarVolumeNode", "ours")
    assert selector.nodeCount() == 0 and scene.IsNodePresent(node) and node.GetName() == "ours"
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode").HideFromEditorsOn()
    assert selector.nodeCount() == 1


def test_it_is_saved_with_the_scene_only_where_that_is_asked_for(scene):
    kept, dropped = (add_hidden_node("vtkMRMLScalarVolumeNode", "ours", saved=saved) for saved in (True, False))
    assert kept.GetSaveWithScene() and not dropped.GetSaveWithScene()


PROVENANCE = {
    "notice": "Research use only.",
    "settings": {"seed": 5, "device": "cpu"},
    "weights": {"name": "t1-t2", "sha256": "0" * 64},
    "registration": {"metric": {"overlap_after": 0.5}, "seconds": 1.5, "model": None},
    "warnings": ["one", "two"],
}


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")


def test_what_was_written_is_read_back(node):
    write_provenance(node, PROVENANCE)
    assert provenance_of(node) == PROVENANCE


def test_an_earlier_result_leaves_nothing_and_other_attributes_stay(node):
    node.SetAttribute("Mine", "kept")
    write_provenance(node, PROVENANCE)
    write_provenance(node, {"notice": "new"})
    assert provenance_of(node) == {"notice": "new"} and node.GetAttribute("Mine") == "kept"


def test_a_node_that_is_no_result_has_none(node):
    assert provenance_of(node) == {}


def test_a_node_is_filed_in_the_study_of_its_sibling(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "P"), "S")
    sibling, new, filed = (a_blob_node(name) for name in "ABC")
    hierarchy.CreateItem(study, sibling)
    hierarchy.CreateItem(hierarchy.GetSceneItemID(), filed)
    for node in (new, filed):
        place_beside(node, sibling)
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    assert hierarchy.GetNumberOfItemChildren(study) == 3


def test_a_scene_without_a_hierarchy_gets_none(scene):
    sibling, node = (a_blob_node(name) for name in "AB")
    place_beside(node, sibling)
    assert scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") is None


def test_beside_a_sibling_that_is_not_filed_nothing_is(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    sibling, node = (a_blob_node(name) for name in "AB")
    place_beside(node, sibling)
    assert hierarchy.GetItemByDataNode(node) == hierarchy.GetInvalidItemID()


SHIFT = Registration(sitk.TranslationTransform(3, (1.0, 2.0, 3.0)), Method.SITK, None, 0.1)


@pytest.fixture
def nodes():
    return a_blob_node("F"), a_blob_node("M", LEFT_HANDED, seed=1)


@pytest.fixture
def result(nodes) -> FusionResult:
    image = sitk.Cast(volume_from_node(nodes[0]).image, sitk.sitkFloat32)
    figures = {f"{name}_{of}": [0.5] * 14 for name in ("ssim", "correlation") for of in ("fixed", "moving")}
    return FusionResult(
        fused=image,
        fixed_mapped=image,
        moving_mapped=image,
        moving_on_grid=2 * image,
        registration=SHIFT,
        provenance={"notice": "n"},
        warnings=[],
        contribution=0 * image,
        figures=figures,
    )


def test_alone_the_fused_volume_is_added(nodes, result):
    before = snapshot()
    placed = place_result(result, FusionSettings(), *nodes, Outputs())
    assert set(placed.nodes()) == {"fused"}
    after = snapshot()
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {placed.fused.GetID(), placed.fused.GetDisplayNodeID()}
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(placed.fused), a_blob())


def test_everything_can_be_asked_for(nodes, result):
    placed = place_result(result, FusionSettings(), *nodes, Outputs(make=OPTIONAL))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(placed.registered), 2 * a_blob())
    assert slicer.util.arrayFromVolume(placed.contribution).max() == 0
    assert placed.slice_table.GetNumberOfRows() == 14
    matrix = slicer.util.arrayFromTransformMatrix(placed.transform)
    np.testing.assert_allclose(matrix[:3, 3], [1, 2, -3], atol=1e-12)


def test_given_nodes_are_filled_and_none_is_added(nodes, result):
    given = place_result(result, FusionSettings(), *nodes, Outputs(make=OPTIONAL))
    before = set(snapshot())
    assert place_result(result, FusionSettings(), *nodes, given).nodes() == given.nodes()
    assert set(snapshot()) == before


def test_a_result_without_a_table_lets_go_of_that_of_the_result_it_replaces(nodes, result):
    given = place_result(result, FusionSettings(), *nodes, Outputs(make=frozenset({"slice_table"})))
    assert given.slice_table in belongings_of(given.fused)
    placed = place_result(result, FusionSettings(), *nodes, Outputs(fused=given.fused))
    assert placed.fused is given.fused and given.slice_table not in belongings_of(placed.fused)


def test_a_node_that_has_left_the_scene_is_made_anew_where_it_was_wanted(nodes, result, scene):
    given = place_result(result, FusionSettings(), *nodes, Outputs(make=frozenset({"registered"})))
    scene.RemoveNode(given.registered)
    again = place_result(result, FusionSettings(), *nodes, given.without_removed())
    assert again.fused is given.fused and scene.IsNodePresent(again.registered)
    assert set(again.nodes()) == {"fused", "registered"}


def test_the_registered_volume_is_shown_as_the_moving_one_is(nodes, result):
    nodes[1].GetDisplayNode().AutoWindowLevelOff()
    nodes[1].GetDisplayNode().SetWindowLevel(33, 44)
    placed = place_result(result, FusionSettings(), *nodes, Outputs(make=OPTIONAL))
    display = placed.registered.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (33, 44)


@pytest.fixture
def grey(module):
    return a_volume_node("grey", a_blob() / 105, OBLIQUE)


@pytest.fixture
def colour(module):
    return a_volume_node("RGB", np.full((2, 3, 4, 3), 100, np.uint8), OBLIQUE)


def brightness_of(values: np.ndarray) -> float:
    """The mean of what can be seen from the front of a volume in [0, 1], without shading."""
    opacity, brightness = grey_functions(values)
    alpha, shown = (np.interp(values, *zip(*points, strict=True)) for points in (opacity, brightness))
    passed = np.cumprod(1 - alpha, axis=1)
    before = np.concatenate([np.ones_like(passed[:, :1]), passed[:, :-1]], axis=1)
    seen = (before * alpha * shown).sum(axis=1)
    return float(seen[passed[:, -1] < 0.8].mean())


@pytest.mark.parametrize("peak", [0.25, 0.6, 1.0])
def test_a_grey_rendering_is_bright_however_the_fused_values_are_spread(peak):
    head = np.clip(4 * a_blob((30, 40, 40)) / 105 - 1, 0, 1)
    assert brightness_of(peak * head) > 0.4


def test_real_fused_heads_are_bright(shared_data):
    for name in ("spm_T1", "spm_SPECT", "avg152T1"):
        values = sitk.GetArrayFromImage(sitk.ReadImage(str(shared_data / "volumes" / "templates" / f"{name}.nii.gz")))
        assert brightness_of((values / values.max()).astype(np.float32)) > 0.3


@pytest.mark.parametrize("values", [np.zeros((3, 3, 3)), np.ones((3, 3, 3)), np.full((3, 3, 3), 0.5)])
def test_the_points_rise_also_where_all_values_are_equal(values):
    for points in grey_functions(values):
        assert (np.diff([value for value, _ in points]) > 0).all()


def test_a_grey_volume_is_rendered_unshaded_with_one_display_node_however_often(grey):
    display = render_fused(grey)
    assert render_fused(grey) is display and display.GetVisibility()
    properties = display.GetVolumePropertyNode()
    opacity = properties.GetScalarOpacity()
    assert opacity.GetValue(0.02) == 0 < opacity.GetValue(0.5) < opacity.GetValue(1.0)
    assert not properties.GetVolumeProperty().GetShade() and properties.GetColor().GetRedValue(1.0) == 1


def test_a_volume_in_colour_is_rendered_in_its_colours_with_its_luminance_as_opacity(module):
    colours = np.zeros((2, 3, 4, 3), np.uint8)
    colours[..., 1] = 100
    fused = a_volume_node("RGB", colours, OBLIQUE)
    display = render_fused(fused)
    rendered = display.GetVolumeNode()
    voxels = slicer.util.arrayFromVolume(rendered)
    assert voxels.shape == (2, 3, 4, 4) and set(voxels[..., 3].ravel()) == {59}
    np.testing.assert_array_equal(voxels[..., :3], colours)
    assert rendered.GetHideFromEditors() and ijk_to_ras_of(rendered).tobytes() == ijk_to_ras_of(fused).tobytes()
    properties = display.GetVolumePropertyNode()
    assert not properties.GetVolumeProperty().GetIndependentComponents()
    assert properties.GetScalarOpacity().GetValue(25) == 0 < properties.GetScalarOpacity().GetValue(255)


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_slicer_warns_of_nothing_and_adds_no_region(module, request, kind, scene):
    logic, warned = slicer.modules.volumerendering.logic(), []
    for event in ("WarningEvent", "ErrorEvent"):
        logic.AddObserver(event, lambda caller, event: warned.append(event))
    render_fused(request.getfixturevalue(kind))
    assert warned == [] and scene.GetNumberOfNodesByClass("vtkMRMLMarkupsROINode") == 0


@pytest.mark.parametrize("shown", [True, False])
def test_what_is_written_into_a_rendered_volume_is_rendered(grey, colour, shown):
    displays = {volume: render_fused(volume) for volume in (grey, colour)}
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    for volume, display in displays.items():
        display.SetVisibility(shown)
        before = display.GetVolumePropertyNode().GetColor().GetRedValue(0.1)
        slicer.util.arrayFromVolume(volume)[:] //= 2
        slicer.util.arrayFromVolume(volume)[:] += 0 if volume is colour else (a_blob() / 1000).astype("f4")
        update_rendering(volume)
        assert bool(display.GetVisibility()) == shown
        if volume is grey:
            assert display.GetVolumePropertyNode().GetColor().GetRedValue(0.1) > before
    assert slicer.util.arrayFromVolume(displays[colour].GetVolumeNode()).max() == 50
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_a_volume_that_nobody_renders_gets_no_rendering(module):
    node = a_blob_node("fused")
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    update_rendering(node)
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


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
