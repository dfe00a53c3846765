"""What the panel estimates of volumes, and the preview: the mapping of the fusion, found and shown."""

from __future__ import annotations

import time

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer.util

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.fusion.source_pair import SourcePair
from CSAFusionLib.geometry.grid import ijk_to_ras
from CSAFusionLib.intensity.mapping import IntensityMapping, Window, find_mapping
from CSAFusionLib.intensity.modality import Modality, guess_modality
from CSAFusionLib.slicer_host.panel.choices import Intensities, ModalityChoice
from CSAFusionLib.slicer_host.panel.preview import Input, IntensityEstimate
from CSAFusionLib.slicer_host.views import composites
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node
from CSAFusionLib.volumes.reading import read_volume
from Testing.host.application import raise_errors
from Testing.host.scene import OBLIQUE, a_blob, a_volume_node, pixels_in_view

MILLIMETRES = np.diag([-1.0, -1.0, 1.0, 1.0])


def a_head(length: int = 96) -> np.ndarray:
    """A sharp ball of tissue with structure and noise in it, in air with noise."""
    k, j, i = np.indices((length,) * 3) - length / 2
    radius = np.sqrt(i**2 + j**2 + k**2)
    tissue = (radius < 0.42 * length) * (600 + 200 * np.sign(np.sin(i / 5) * np.sin(j / 6)))
    return (tissue + np.random.default_rng(0).normal(0, 8, tissue.shape)).astype(np.int16)


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    return a_head()


def test_a_sharp_volume_is_guessed_as_all_its_voxels_would_be(head):
    node = a_volume_node("MR", head, MILLIMETRES)
    assert IntensityEstimate().guess(node) is guess_modality(volume_from_node(node)) is Modality.MR


def test_of_what_may_be_a_pet_more_is_looked_at_but_not_all(monkeypatch):
    node = a_volume_node("smooth", a_blob((128, 40, 256)), 2 * MILLIMETRES)
    asked = []
    monkeypatch.setattr(
        "CSAFusionLib.slicer_host.panel.preview.guess_modality",
        lambda volume: asked.append(volume.image.GetSize()) or Modality.PET,
    )
    assert IntensityEstimate().guess(node) is Modality.PET and asked == [(128, 40, 64)]


SMOOTH = [f"templates/{name}.nii.gz" for name in ("spm_PET", "spm_SPECT", "spm_T1", "avg152T1")]


@pytest.mark.parametrize("name", [*SMOOTH, "pyapetnet/PET_osem.nii.gz"])
def test_a_smooth_volume_is_guessed_as_all_its_voxels_would_be(shared_data, name):
    image = sitk.ReadImage(str(shared_data / "volumes" / name))
    node = a_volume_node("smooth", sitk.GetArrayFromImage(image), ijk_to_ras(image))
    assert IntensityEstimate().guess(node) is guess_modality(volume_from_node(node))


def test_hounsfield_units_and_colour_are_seen_at_once(head):
    ct = a_volume_node("CT", np.where(head > 300, 40, -1000).astype(np.int16), MILLIMETRES)
    colour = a_volume_node("RGB", np.stack([head.clip(0, 255).astype(np.uint8)] * 3, axis=-1), MILLIMETRES)
    estimate = IntensityEstimate()
    assert (estimate.guess(ct), estimate.guess(colour)) == (Modality.CT, Modality.PET)


def test_limits_of_a_part_are_those_of_the_whole_or_nearly_so(head):
    node = a_volume_node("MR", head, MILLIMETRES)
    whole = find_mapping(volume_from_node(node), Modality.MR)
    found = IntensityEstimate().mapping(Input(node, Modality.MR))
    np.testing.assert_allclose((found.low, found.high), (whole.low, whole.high), atol=0.05 * (whole.high - whole.low))
    assert IntensityEstimate().mapping(Input(node, Modality.MR, Window(10, 20))) == IntensityMapping(0, 20)


def test_what_was_found_is_kept_until_the_voxels_change(head):
    node, estimate = a_volume_node("MR", head, MILLIMETRES), IntensityEstimate()
    first = estimate.mapping(Input(node, Modality.MR))
    slicer.util.arrayFromVolume(node)[:] *= 2
    assert estimate.mapping(Input(node, Modality.MR)) == first
    slicer.util.arrayFromVolumeModified(node)
    assert estimate.mapping(Input(node, Modality.MR)).high == pytest.approx(2 * first.high, rel=0.02)


def test_without_an_image_that_can_be_fused_there_is_no_guess(scene):
    estimate = IntensityEstimate()
    assert estimate.guess(None) is None
    assert estimate.guess(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")) is None
    assert estimate.guess(a_volume_node("flat", np.zeros((5, 5, 5), np.int16), OBLIQUE)) is None


def test_a_large_volume_does_not_stop_slicer():
    large = np.kron(a_head(64), np.ones((3, 4, 4), np.int16))[:160]
    node, estimate = a_volume_node("MR", large, MILLIMETRES), IntensityEstimate()
    began = time.process_time()
    assert estimate.guess(node) is Modality.MR and estimate.mapping(Input(node))
    # Both together take 40 ms of a slow processor; all voxels would take 2 s.
    assert time.process_time() - began < 0.25


def test_a_large_smooth_volume_does_not_stop_slicer_for_long():
    node = a_volume_node("smooth", a_blob((192, 256, 256)), MILLIMETRES)
    began = time.process_time()
    assert IntensityEstimate().guess(node)
    # It takes 0.4 s of a slow processor, however large the volume; all voxels would take 1.5 s.
    assert time.process_time() - began < 0.9


def test_the_preview_shows_the_ranges_and_gives_the_display_back(panel, volumes):
    display = volumes[0].GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(30, 40)
    panel.ui.previewCheckBox.checked = True
    panel._parameterNode.intensitiesA = Intensities.GIVEN
    raise_errors()
    assert (display.GetWindow(), display.GetLevel()) == (300, 100)
    assert panel.ui.intensityALabel.text == "MR (guessed): -50 is black, 250 is white."
    panel.ui.widthASpinBox.value = 100.0
    assert (display.GetWindow(), display.GetLevel()) == (100, 100)
    panel.ui.previewCheckBox.checked = False
    raise_errors()
    assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (30, 40, 0)


def test_the_preview_shows_a_volume_that_is_not_displayed_and_gives_the_views_back(panel, volumes):
    slicer.util.setSliceViewerLayers(background=volumes[0], foreground=None, foregroundOpacity=0.0)
    panel.ui.previewCheckBox.checked = True
    raise_errors()
    views = composites()
    assert {
        (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetForegroundOpacity()) for view in views
    } == {(volumes[0].GetID(), volumes[1].GetID(), 0.5)}
    panel.ui.previewCheckBox.checked = False
    assert {(view.GetForegroundVolumeID(), view.GetForegroundOpacity()) for view in views} == {(None, 0.0)}


def test_the_preview_leaves_views_alone_that_show_both_or_that_the_user_changes(panel, volumes):
    slicer.util.setSliceViewerLayers(background=volumes[1], foreground=volumes[0], foregroundOpacity=0.7)
    panel.ui.previewCheckBox.checked = True
    views = composites()
    assert {view.GetForegroundOpacity() for view in views} == {0.7}
    panel.ui.previewCheckBox.checked = False
    slicer.util.setSliceViewerLayers(foregroundOpacity=0.0)
    panel.ui.previewCheckBox.checked = True
    slicer.util.setSliceViewerLayers(background=volumes[1], foreground=volumes[0])
    panel.ui.previewCheckBox.checked = False
    assert {view.GetBackgroundVolumeID() for view in views} == {volumes[1].GetID()}


def test_a_volume_fused_as_displayed_is_followed_while_its_display_is_changed(panel, volumes):
    display = volumes[0].GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(30, 40)
    panel.ui.previewCheckBox.checked = True
    panel._parameterNode.intensitiesA = Intensities.DISPLAYED
    assert panel.ui.intensityALabel.text == "MR (guessed): 25 is black, 55 is white."
    display.SetWindowLevel(20, 40)
    assert panel.ui.intensityALabel.text == "MR (guessed): 30 is black, 50 is white."
    panel._parameterNode.intensitiesA = Intensities.AUTOMATIC
    panel._parameterNode.intensitiesB = Intensities.DISPLAYED
    panel.exit()
    event = slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent
    panel.ui.intensityALabel.text = "left alone"
    for volume in volumes:
        volume.InvokeEvent(event)
    assert panel.ui.intensityALabel.text == "left alone"


REAL_PAIRS = {
    "T1 and T2": ("open_ms/patient01/study1_T1W.nii.gz", "open_ms/patient01/study1_T2W.nii.gz"),
    "T2 and T1": ("open_ms/mni_patient07/T2.nii.gz", "open_ms/mni_patient07/T1.nii.gz"),
    "CT and T1": ("rire/CT_slab_in_T1_grid_slices7-11.nii.gz", "rire/T1_slab_slices7-11.nii.gz"),
}


@pytest.mark.parametrize("names", REAL_PAIRS.values(), ids=REAL_PAIRS)
def test_limits_of_a_pair_are_those_of_its_fusion(shared_data, names):
    images = [read_volume(shared_data / "volumes" / name).image for name in names]
    nodes = [
        a_volume_node(name, sitk.GetArrayFromImage(image), ijk_to_ras(image))
        for name, image in zip(names, images, strict=True)
    ]
    found = IntensityEstimate().mappings(Input(nodes[0]), Input(nodes[1]))
    pair = SourcePair.settle(*map(volume_from_node, nodes), FusionSettings())
    for estimate, whole in zip(found, (pair.fixed.mapping, pair.moving.mapping), strict=True):
        close = {"atol": 0.02 * (whole.high - whole.low)}
        np.testing.assert_allclose((estimate.low, estimate.high), (whole.low, whole.high), **close)
        assert (estimate.knee is None) == (whole.knee is None)
        if whole.knee is not None:
            # The tissue of some slices is not quite that of all.
            np.testing.assert_allclose(estimate.knee, whole.knee, atol=0.05 * (whole.high - whole.low))


def t1_and_t2(length: int = 48) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Two MR of a ball of tissue with fluid in it and a bright rim, which alone decides what is white of the T1."""
    k, j, i = np.indices((length,) * 3) - length / 2
    radius = np.sqrt(i**2 + j**2 + k**2) / length
    of_t1 = np.select([radius < 0.15, radius < 0.43, radius < 0.45], [60, 250, 900], 0)
    of_t2 = np.select([radius < 0.15, radius < 0.43, radius < 0.45], [900, 300, 500], 0)
    noise = np.random.default_rng(0).normal(0, 15, k.shape)
    return [
        a_volume_node(name, (values + noise).clip(0).astype(np.int16), MILLIMETRES)
        for name, values in (("T1", of_t1), ("T2", of_t2))
    ]


def of_panel(panel) -> tuple[str, str]:
    return panel.ui.intensityALabel.text, panel.ui.intensityBLabel.text


def test_the_limits_of_a_t1_change_with_its_partner(panel):
    parameters = panel._parameterNode
    parameters.volumeA, parameters.volumeB = t1_and_t2()
    of_pair = of_panel(panel)
    parameters.modalityB = ModalityChoice.PET
    by_itself = of_panel(panel)
    assert of_pair[0] != by_itself[0] and "Up to" in of_pair[0] and "Up to" not in by_itself[0]
    pair = SourcePair.settle(*map(volume_from_node, (parameters.volumeA, parameters.volumeB)), FusionSettings())
    assert pair.fixed.mapping.knee[0] == pytest.approx(float(of_pair[0].split("Up to ")[1].split(":")[0]), rel=0.03)


def test_the_preview_shows_what_the_network_sees_also_of_two_slopes(panel, scene):
    nodes = t1_and_t2()
    # The application brings it with every scene.
    grey = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "Grey")
    grey.SetTypeToGrey()
    for node in nodes:
        node.GetDisplayNode().SetAndObserveColorNodeID(grey.GetID())
    panel._parameterNode.volumeA, panel._parameterNode.volumeB = nodes
    panel.ui.previewCheckBox.checked = True
    raise_errors()
    found = IntensityEstimate().mappings(*map(Input, nodes))
    assert found[0].knee is not None and found[1].knee is not None
    for node, mapping in zip(nodes, found, strict=True):
        shown = pixels_in_view(node, 24)[..., 0] / 255
        np.testing.assert_allclose(shown, mapping(slicer.util.arrayFromVolume(node)[24]), atol=0.02)


def shown(node) -> tuple:
    display = node.GetDisplayNode()
    return display.GetAutoWindowLevel(), display.GetWindow(), display.GetLevel(), display.GetColorNodeID()


def tables() -> list[str]:
    return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode")]


def test_after_the_preview_displays_and_scene_are_as_before(panel, scene):
    nodes = t1_and_t2()
    panel._parameterNode.volumeA, panel._parameterNode.volumeB = nodes
    before, count = [shown(node) for node in nodes], scene.GetNumberOfNodes()
    panel.ui.previewCheckBox.checked = True
    assert tables() == 2 * ["CSAFusion preview"] and [shown(node) for node in nodes] != before
    panel._parameterNode.modalityA = ModalityChoice.PET
    assert tables() == [] and shown(nodes[0])[3] == before[0][3]
    panel._parameterNode.modalityA = ModalityChoice.MR
    panel.ui.previewCheckBox.checked = False
    assert [shown(node) for node in nodes] == before and scene.GetNumberOfNodes() == count


def test_colours_that_the_user_chooses_during_the_preview_are_kept(panel, scene):
    nodes = t1_and_t2()
    panel._parameterNode.volumeA, panel._parameterNode.volumeB = nodes
    panel.ui.previewCheckBox.checked = True
    own = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "user's")
    nodes[0].GetDisplayNode().SetAndObserveColorNodeID(own.GetID())
    panel.ui.previewCheckBox.checked = False
    assert tables() == ["user's"] and shown(nodes[0])[3] == own.GetID()


def test_a_scene_that_was_saved_during_a_preview_opens_without_it(panel, scene, tmp_path):
    nodes = t1_and_t2()
    panel._parameterNode.volumeA, panel._parameterNode.volumeB = nodes
    before = shown(nodes[0])
    panel.ui.previewCheckBox.checked = True
    for node in nodes:
        node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(str(tmp_path / f"{node.GetName()}.nrrd"))
        assert node.GetStorageNode().WriteData(node)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.SetRootDirectory(str(tmp_path))
    assert scene.Commit()
    panel.ui.previewCheckBox.checked = False
    panel.onSceneStartClose(scene, None)
    scene.Clear(False)
    panel.onSceneEndClose(scene, None)
    scene.Connect()
    panel.onSceneEndImport(scene, None)
    raise_errors()
    loaded = slicer.util.getNode("T1")
    assert shown(loaded) == before and tables() == []
