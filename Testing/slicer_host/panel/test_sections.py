"""What the sections of the panel show of what is chosen."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import slicer.util

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.panel.choices import (
    Intensities,
    ModalityChoice,
    Reference,
    StyleChoice,
    WeightsChoice,
)
from CSAFusionLib.slicer_host.views import LAYOUT
from CSAFusionLib.slicer_host.wording import title_of, words_of
from CSAFusionLib.worker.devices import Devices
from Testing.host.application import open_panel, raise_errors
from Testing.host.command_line_modules import install_brainsfit
from Testing.host.fixtures import pump
from Testing.host.packaging import install_packaging
from Testing.host.panel_states import open_all
from Testing.host.pictures import cut_off, take_picture
from Testing.host.registration_extensions import install_slicer_ants, install_slicer_elastix


def test_the_guess_is_shown_and_why_a_volume_is_the_reference(panel, volumes):
    assert panel.ui.modalityAComboBox.currentText == "Automatic: MR"
    assert panel.ui.referenceLabel.text.startswith("Volume A: both have voxels of 0.9")
    volumes[1].SetSpacing(0.5, 0.5, 0.5)
    panel._parameterNode.reference = Reference.FINER
    panel._parameterNode.Modified()
    assert (
        panel.ui.referenceLabel.text == "Volume B: its voxels have 0.5 x 0.5 x 0.5 mm, those of A 0.9 x 1.1 x 2.3 mm."
    )
    panel._parameterNode.reference = Reference.A
    assert panel.ui.referenceLabel.text == "The result gets the grid of 'F'."


def test_black_and_white_are_told_in_the_unit_of_the_volume(panel, volumes):
    k, j, i = np.indices((12, 20, 20)) - 10
    ct = np.where(k**2 + j**2 + i**2 < 60, 40, -1000).astype(np.int16)
    slicer.util.updateVolumeFromArray(volumes[0], ct)
    unit = slicer.vtkCodedEntry()
    unit.SetValueSchemeMeaning("g/ml{SUVbw}", "UCUM", "Standardized Uptake Value body weight")
    volumes[1].SetVoxelValueUnits(unit)
    panel._parameterNode.modalityB = ModalityChoice.PET
    assert panel.ui.intensityALabel.text == (
        "CT (guessed): 0 HU is black, 1000 HU is white. Up to 80 HU: the darker 80 %."
    )
    assert panel.ui.intensityBLabel.text.startswith("PET: 0 g/ml{SUVbw} is black, ")
    panel._parameterNode.modalityA = ModalityChoice.MR
    assert panel.ui.intensityALabel.text.startswith("MR: -1000 is black, ")
    unit.SetValueSchemeMeaning("1", "UCUM", "no units")
    volumes[1].SetVoxelValueUnits(unit)
    panel._parameterNode.Modified()
    assert panel.ui.intensityBLabel.text.startswith("PET: 0 is black, ")
    slicer.util.updateVolumeFromArray(volumes[0], (ct + 1000).astype(np.int16))
    panel._parameterNode.modalityA = ModalityChoice.CT
    assert "HU" not in panel.ui.intensityALabel.text
    panel._parameterNode.volumeA = None
    assert panel.ui.intensityALabel._qt.isHidden()


def test_the_preset_that_is_set_is_shown_until_something_of_it_is_changed(panel):
    menu = panel.ui.presetComboBox
    menu.activated(2)
    raise_errors()
    assert menu.currentText == "A is MR, B is PET"
    panel._parameterNode.balance = 0.5
    assert menu.currentText == "None"


def test_level_and_width_and_the_file_of_weights_appear_where_they_are_needed(panel):
    open_all(panel)
    assert panel.ui.windowAWidget._qt.isHidden() and panel.ui.weightsFilePathLineEdit._qt.isHidden()
    panel._parameterNode.intensitiesA = Intensities.GIVEN
    panel._parameterNode.weights = WeightsChoice.FILE
    assert not panel.ui.windowAWidget._qt.isHidden() and not panel.ui.weightsFilePathLineEdit._qt.isHidden()
    assert panel.ui.windowBWidget._qt.isHidden()


def test_a_style_without_a_network_greys_out_what_the_network_is_told(panel):
    open_all(panel)
    ui = panel.ui
    assert ui.opacitySlider._qt.isHidden() and ui.weightsComboBox.enabled
    panel._parameterNode.style = StyleChoice.OVERLAY
    raise_errors()
    assert not ui.opacitySlider._qt.isHidden()
    told = ("weightsComboBox", "balanceSlider", "smoothingSlider", "deviceComboBox", "contributionCheckBox")
    assert not any(getattr(ui, name).enabled for name in told)
    panel._parameterNode.balance = 0.5
    panel._parameterNode.biasCorrection = True
    ui.fusionCollapsibleButton.collapsed = ui.inputsCollapsibleButton.collapsed = True
    assert ui.fusionCollapsibleButton.toolTip == "Fusion: Plain overlay, opacity 0.50"
    assert "N4" in ui.inputsCollapsibleButton.toolTip
    panel._parameterNode.style = StyleChoice.TWO_COLOUR
    assert ui.fusionCollapsibleButton.toolTip == "Fusion: Two colours"


@pytest.fixture
def installed(monkeypatch) -> set[str]:
    """Names of the packages that are installed; empty until a test adds some."""
    names: set[str] = set()
    monkeypatch.setattr("CSAFusionLib.slicer_host.engines.is_installed", lambda name: name in names)
    return names


def method_item(panel, method: Method) -> tuple[bool, str]:
    """Whether a method can be chosen, and the tooltip of its item."""
    menu, index = panel.ui.methodComboBox, list(Method).index(method)
    return menu.model().item(index).isEnabled(), menu.itemData(index, 3)


def test_what_is_not_installed_is_greyed_out_with_the_reason(installed, panel):
    assert method_item(panel, Method.ANTS) == (
        False,
        "Not installed: press 'Install ANTs...' in the section Registration.",
    )
    assert method_item(panel, Method.ELASTIX) == (
        False,
        "Not installed: press 'Install elastix...' in the section Registration.",
    )
    assert method_item(panel, Method.BRAINS) == (False, "This Slicer has no BRAINSFit.")
    for method in set(Method) - {Method.ANTS, Method.ELASTIX, Method.BRAINS}:
        assert method_item(panel, method) == (True, words_of(method)[1])


@pytest.mark.parametrize(
    ("method", "package", "button"),
    [(Method.ANTS, "antspyx", "installAntsButton"), (Method.ELASTIX, "itk-elastix", "installElastixButton")],
)
def test_what_is_not_installed_can_be_installed(installed, panel, application, monkeypatch, method, package, button):
    packaging = install_packaging(monkeypatch)
    application.answers = [True]
    monkeypatch.setattr("CSAFusionLib.slicer_host.dependencies.is_installed", lambda name: name in installed)
    open_all(panel)
    button = getattr(panel.ui, button)
    assert not button._qt.isHidden()
    button.click()
    raise_errors()
    (asked,) = packaging.asked
    assert any(package in line for line in [*asked["requirements"], *(asked["without_pins"] or [])])
    assert panel.ui.statusLabel.text == "Installing Python packages" and not panel.ui.progressBar._qt.isHidden()
    assert not panel.ui.applyButton.enabled and "are being installed" in panel.ui.applyButton.toolTip
    installed.add(package)
    packaging.finish()
    raise_errors()
    assert panel.ui.statusLabel.text == f"{title_of(method)} is installed and can be chosen."
    assert panel.ui.applyButton.enabled and button._qt.isHidden() and panel.ui.progressBar._qt.isHidden()
    assert method_item(panel, method) == (True, words_of(method)[1])


def test_declining_to_install_a_method_says_nothing_of_apply(installed, panel, application, monkeypatch):
    install_packaging(monkeypatch)
    monkeypatch.setattr("CSAFusionLib.slicer_host.dependencies.is_installed", lambda name: name != "itk-elastix")
    application.answers = [False]
    panel.ui.installElastixButton.click()
    raise_errors()
    text = panel.ui.statusLabel.text
    assert text == "itk-elastix>=0.20 was not installed; the method cannot be used without it."
    assert len(application.questions) == 1 and panel.ui.applyButton.enabled


def test_what_an_extension_can_do_is_offered_with_how_it_does_it(installed, monkeypatch, panel, tmp_path):
    install_slicer_ants(monkeypatch)
    install_slicer_elastix(monkeypatch, tmp_path / "Elastix")
    panel._panel.registration.describe()
    open_all(panel)
    enabled, tooltip = method_item(panel, Method.ELASTIX)
    assert enabled and tooltip.endswith("Slicer answers only now and then while it runs.")
    enabled, tooltip = method_item(panel, Method.ANTS)
    assert enabled and tooltip.endswith("By the extension SlicerANTs: two runs differ a little.")
    assert not panel.ui.installElastixButton._qt.isHidden()


def test_brainsfit_can_be_chosen_where_slicer_has_it(panel, monkeypatch):
    install_brainsfit(monkeypatch)
    panel._panel.registration.describe()
    assert method_item(panel, Method.BRAINS) == (True, words_of(Method.BRAINS)[1])


def test_devices_are_offered_and_the_choice_is_kept_on_the_computer(panel, module, application):
    found = Devices({"cuda:0": "A card (8 GiB)"}, "cuda", "the fastest device that passed a test")
    panel._panel.fusion.show_devices(found)
    menu = panel.ui.deviceComboBox
    assert [menu.itemText(index) for index in range(menu.count)] == ["Automatic", "Processor (CPU)", "A card (8 GiB)"]
    assert panel.ui.deviceLabel.text == "Uses the graphics card (cuda): it passed a short test."
    menu.currentIndex = 2
    menu.activated(2)
    raise_errors()
    assert application.settings == {"CSAFusion/Device": "cuda:0"}
    assert panel._panel.request().settings.device == "cuda:0"
    slicer.mrmlScene.Clear(False)
    again = open_panel(module)
    again._panel.fusion.show_devices(found)
    assert again.ui.deviceComboBox.currentIndex == 2
    again.cleanup()


def test_nothing_is_cut_off_in_either_theme(panel, tmp_path):
    for dark in (False, True):
        picture = take_picture(panel, tmp_path / "panel.png", dark=dark)
        assert cut_off(panel) == [] and picture.width() >= 460
    panel._parameterNode.intensitiesA = Intensities.GIVEN
    panel._parameterNode.weights = WeightsChoice.FILE
    panel.ui.resultCollapsibleButton.collapsed = False
    take_picture(panel, tmp_path / "panel.png")
    assert cut_off(panel) == []


def test_volumes_in_colour_can_be_chosen_and_labels_cannot(panel, scene):
    colour = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "RGB")
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    for selector in (panel.ui.volumeASelector, panel.ui.volumeBSelector, panel.ui.fusedSelector):
        selector.setCurrentNode(colour)
        assert selector.currentNode() is colour
        selector.setCurrentNode(labels)
        assert selector.currentNode() is not labels


def test_the_alignment_is_checked_on_a_checkerboard_that_goes_with_the_view(panel, child_does, scene):
    child_does("negate")
    panel.ui.applyButton.click()
    pump(lambda: not panel.logic.isRunning)
    before = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    layout = slicer.app.layoutManager().layout
    panel.ui.checkButton.checked = True
    raise_errors()
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before + 1
    assert slicer.app.layoutManager().layout == LAYOUT
    panel.ui.compareButton.checked = True
    raise_errors()
    assert not panel.ui.checkButton.checked and slicer.app.layoutManager().layout == LAYOUT
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before
    panel.ui.compareButton.checked = False
    assert slicer.app.layoutManager().layout == layout
