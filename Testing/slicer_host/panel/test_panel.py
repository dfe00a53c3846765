"""The panel, its preview, and what its choices ask of the backend."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import slicer
import slicer.util

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.colour import COLOUR_TABLES
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.fusion_job import Outputs
from CSAFusionLib.slicer_host.panel.choices import (
    ColourChoice,
    Intensities,
    ModalityChoice,
    PlaneChoice,
    Reference,
    StyleChoice,
    WeightsChoice,
    backend_name,
)
from CSAFusionLib.slicer_host.panel.request import PRESETS, apply_preset, keep_outputs, preset_of, request_from
from CSAFusionLib.slicer_host.views import composites
from CSAFusionLib.weights.weights_file import bundled_checksums
from Testing.host.application import ROOT, open_panel, raise_errors
from Testing.host.fixtures import pump
from Testing.host.scene import a_blob_node


def settle() -> None:
    slicer.app.processEvents()
    raise_errors()


@pytest.mark.parametrize("side", ["A", "B"])
def test_a_deleted_input_is_asked_for_and_not_replaced(panel, volumes, scene, side):
    a_blob_node("other")
    node = volumes["AB".index(side)]
    scene.RemoveNode(node)
    settle()
    selector = getattr(panel.ui, f"volume{side}Selector")
    assert selector.currentNode() is None and getattr(panel._parameterNode, f"volume{side}") is None
    assert panel.ui.statusLabel.text == f"'{node.GetName()}' was deleted; select volume {side}."
    assert not panel.ui.applyButton.enabled and panel.ui.missingLabel.text == f"Select volume {side} too."


def test_a_deleted_region_mask_or_transform_is_not_replaced_either(panel, scene):
    kinds = {
        "roi": "vtkMRMLMarkupsROINode",
        "mask": "vtkMRMLSegmentationNode",
        "transform": "vtkMRMLLinearTransformNode",
    }
    for name, kind in kinds.items():
        chosen, other = (scene.AddNewNodeByClass(kind, one) for one in ("chosen", "other"))
        selector = getattr(panel.ui, f"{name}Selector")
        selector.setCurrentNode(chosen)
        scene.RemoveNode(chosen)
        settle()
        assert selector.currentNode() is None and "'chosen' was deleted; no " in panel.ui.statusLabel.text
        assert scene.IsNodePresent(other)


def test_an_input_deleted_during_a_run_is_told_at_once_by_the_run(panel, volumes, scene, child_does):
    child_does("work_for_long")
    panel.ui.applyButton.click()
    pump(lambda: panel.ui.statusLabel.text == "work")
    scene.RemoveNode(volumes[0])
    pump(lambda: not panel.logic.isRunning, 2)
    assert panel.ui.statusLabel.text == "'F' was removed while the fusion ran; the run was stopped."
    assert panel.ui.volumeASelector.currentNode() is None and not panel.ui.applyButton.enabled


def test_a_volume_without_an_image_is_refused_before_apply(panel, scene):
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    panel.ui.volumeBSelector.setCurrentNode(empty)
    assert not panel.ui.applyButton.enabled
    assert panel.ui.missingLabel.text == "The volume 'empty' holds no image; load one into it or select another volume."


@pytest.fixture
def opened(module, monkeypatch):
    """The panel, opened on an empty scene."""
    monkeypatch.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
    panel = open_panel(module)
    yield panel
    panel.cleanup()


def chosen(panel) -> list:
    return [panel._parameterNode.volumeA, panel._parameterNode.volumeB]


def test_two_volumes_loaded_while_the_module_is_open_are_chosen(opened, scene):
    hidden = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "no image")
    first = a_blob_node("first")
    settle()
    assert chosen(opened) == [None, None]
    second = a_blob_node("second")
    settle()
    assert chosen(opened) == [first, second] and hidden not in chosen(opened)


def test_what_the_user_has_chosen_is_not_changed_by_what_is_loaded(opened):
    first = a_blob_node("first")
    opened.ui.volumeBSelector.setCurrentNode(first)
    a_blob_node("second")
    settle()
    assert chosen(opened) == [None, first]


def test_results_are_not_taken_for_inputs(panel, volumes, scene, child_does):
    child_does("negate")
    panel.ui.applyButton.click()
    pump(lambda: not panel.logic.isRunning)
    for node in volumes:
        scene.RemoveNode(node)
    panel.exit()
    panel.enter()
    assert chosen(panel) == [None, None]


def layers() -> set[tuple]:
    return {
        (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetForegroundOpacity())
        for view in composites()
    }


def test_a_run_that_ends_elsewhere_is_shown_on_return_and_only_then(panel, volumes, child_does):
    child_does("negate")
    panel.ui.resultCollapsibleButton.collapsed = True
    before = layers()
    panel.ui.applyButton.click()
    panel.exit()
    pump(lambda: not panel.logic.isRunning)
    assert layers() == before
    panel.enter()
    raise_errors()
    fused = panel._parameterNode.fusedVolume
    assert layers() == {(volumes[0].GetID(), fused.GetID(), 1.0)}
    assert not panel.ui.resultCollapsibleButton.collapsed and "F + M fused" in panel.ui.reportLabel.text
    slicer.util.setSliceViewerLayers(foregroundOpacity=0.2)
    panel.exit()
    panel.enter()
    assert {opacity for _, _, opacity in layers()} == {0.2}


def test_a_run_that_ends_while_other_parameters_are_shown_waits_for_its_own(panel, module, volumes, scene, child_does):
    child_does("negate")
    first = panel._parameterNode
    panel.logic.isSingletonParameterNode = False
    other = module.CSAFusionParameterNode(scene.AddNode(panel.logic.createParameterNode()))
    before = layers()
    panel.ui.applyButton.click()
    panel.setParameterNode(other)
    pump(lambda: not panel.logic.isRunning)
    assert layers() == before and other.fusedVolume is None and panel.ui.statusLabel.text == "Done: 'F + M fused'."
    panel.setParameterNode(first)
    assert layers() == {(volumes[0].GetID(), first.fusedVolume.GetID(), 1.0)}


_AS_FIRST_INSTALLED = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import pytest, slicer
slicer.mrmlScene = slicer.vtkMRMLScene()
from Testing.host.application import Application, load_module, open_panel, raise_errors
from Testing.host.panel_states import open_all, ready
with pytest.MonkeyPatch.context() as patches:
    panel = open_panel(load_module(patches, Application()))
    ready(panel)
    open_all(panel)
    for source in type(panel._parameterNode.batchSource):
        panel._parameterNode.batchSource = source
    raise_errors()
    print(panel.ui.applyButton.enabled)
"""


def test_the_panel_opens_with_nothing_but_what_slicer_brings():
    names = ("torch", "safetensors", "typer", "click", "dask", "distributed", "tqdm", "matplotlib", "pandas")
    code = _AS_FIRST_INSTALLED.format(names=names)
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1:] == ["True"], run.stderr


@pytest.fixture
def parameters(panel):
    return panel._parameterNode


def test_the_finer_grid_is_the_reference_unless_one_is_chosen(parameters, volumes):
    first, second = volumes
    assert request_from(parameters, "auto").fixed is first
    second.SetSpacing(*(np.array(second.GetSpacing()) / 2))
    assert request_from(parameters, "auto").fixed is second
    parameters.reference = Reference.A
    assert request_from(parameters, "auto").fixed is first
    parameters.reference = Reference.B
    assert request_from(parameters, "auto").fixed is second


@pytest.mark.parametrize("reference", [Reference.A, Reference.B])
def test_settings_of_a_and_b_become_those_of_fixed_and_moving(parameters, reference):
    parameters.reference = reference
    parameters.modalityA, parameters.intensitiesA = ModalityChoice.CT, Intensities.BRAIN
    parameters.balance = 0.5
    settings = request_from(parameters, "cuda:1").settings
    of_a, of_b = ("fixed", "moving") if reference is Reference.A else ("moving", "fixed")
    assert getattr(settings, f"{of_a}_modality").name == "CT" and getattr(settings, f"{of_b}_modality") is None
    assert getattr(settings, f"{of_a}_window").width == 80 and getattr(settings, f"{of_b}_window") is None
    assert settings.balance == (0.5 if reference is Reference.A else -0.5) and settings.device == "cuda:1"


def test_the_displayed_range_is_that_of_the_slice_views(parameters, volumes):
    display = volumes[0].GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(30, 40)
    parameters.intensitiesA = Intensities.DISPLAYED
    window = request_from(parameters, "auto").settings.fixed_window
    assert (window.low, window.high) == (25, 55)


def test_a_width_that_is_not_above_zero_is_told(parameters):
    parameters.intensitiesA, parameters.widthA = Intensities.GIVEN, 0.0
    with pytest.raises(InputError, match="width above 0"):
        request_from(parameters, "auto")


def test_the_colours_are_the_colour_tables_and_grey():
    tables = set(ColourChoice) - {ColourChoice.GREY}
    assert {backend_name(choice) for choice in tables} == set(COLOUR_TABLES) - {"grey"}


def test_every_choice_of_the_panel_is_known_to_the_backend(parameters):
    for choices, name in ((Intensities, "intensitiesB"), (PlaneChoice, "plane"), (ModalityChoice, "modalityA")):
        for choice in choices:
            setattr(parameters, name, choice)
            request_from(parameters, "auto")
    for choice in StyleChoice:
        parameters.style = choice
        assert request_from(parameters, "auto").settings.style.value == backend_name(choice)
    # Side by side, a result has no place in a scene.
    assert {choice.name for choice in StyleChoice} == {style.name for style in Style} - {"SIDE_BY_SIDE"}
    bundled = set(WeightsChoice) - {WeightsChoice.AUTOMATIC, WeightsChoice.FILE}
    assert {backend_name(choice) for choice in bundled} == set(bundled_checksums())


def test_opacity_and_n4_are_the_backends_until_they_are_changed(parameters, panel):
    settings = request_from(parameters, "auto").settings
    assert (settings.opacity, settings.bias_correction) == (FusionSettings().opacity, False)
    panel.ui.opacitySlider.value = 0.3
    panel.ui.biasCorrectionCheckBox.checked = True
    raise_errors()
    settings = request_from(parameters, "auto").settings
    assert (settings.opacity, settings.bias_correction) == (0.3, True)


@pytest.mark.parametrize("reference", [Reference.A, Reference.B])
def test_a_registration_mask_goes_with_its_volume(parameters, panel, scene, reference):
    mask = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "head")
    parameters.reference = reference
    panel.ui.registrationMaskASelector.setCurrentNode(mask)
    raise_errors()
    masks = request_from(parameters, "auto").masks
    assert masks == ((mask, None) if reference is Reference.A else (None, mask))
    assert panel.ui.registrationCollapsibleButton.toolTip == "Registration: Rigid, in the mask of A"
    parameters.method = Method.NONE
    assert "ignores registration masks" in panel.ui.missingLabel.text
    scene.RemoveNode(mask)
    settle()
    assert parameters.registrationMaskA is None and "no mask of A" in panel.ui.statusLabel.text


def test_weights_of_ones_own_must_be_a_file(parameters, tmp_path):
    parameters.weights = WeightsChoice.FILE
    with pytest.raises(InputError, match="Choose the file"):
        request_from(parameters, "auto")
    parameters.weightsFile = tmp_path / "own.safetensors"
    parameters.weightsFile.touch()
    assert request_from(parameters, "auto").settings.weights == str(tmp_path / "own.safetensors")


def test_a_run_clears_the_results_of_an_earlier_one_that_it_does_not_make(parameters, scene):
    parameters.sliceTable = scene.AddNewNodeByClass("vtkMRMLTableNode", "slices")
    parameters.contributionVolume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "share")
    fused = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "fused")
    keep_outputs(Outputs(fused=fused), parameters)
    assert (parameters.fusedVolume, parameters.sliceTable, parameters.contributionVolume) == (fused, None, None)


def test_outputs_are_made_as_they_are_ticked(parameters):
    assert request_from(parameters, "auto").outputs.make == {"registered", "slice_table"}
    parameters.makeSliceTable, parameters.makeContribution = False, True
    assert request_from(parameters, "auto").outputs.make == {"registered", "contribution"}


def test_the_smoothing_through_slices_is_the_backends_until_it_is_changed(parameters, panel):
    assert request_from(parameters, "auto").settings.through_slice_smoothing == FusionSettings().through_slice_smoothing
    panel.ui.smoothingSlider.value = 0.0
    assert request_from(parameters, "auto").settings.through_slice_smoothing == 0


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.title)
def test_a_preset_can_be_run_at_once_and_keeps_the_volumes(parameters, preset):
    parameters.balance, parameters.plane, parameters.throughSliceSmoothing = 0.5, PlaneChoice.CORONAL, 0.0
    before = (parameters.volumeA, parameters.volumeB)
    apply_preset(preset, parameters)
    assert (
        preset_of(parameters) is preset and parameters.throughSliceSmoothing == FusionSettings().through_slice_smoothing
    )
    settings = request_from(parameters, "auto").settings
    assert (parameters.volumeA, parameters.volumeB) == before and settings.balance == 0
    assert (settings.colour_table is not None) == any(
        modality.is_functional for modality in (settings.fixed_modality, settings.moving_modality)
    )
