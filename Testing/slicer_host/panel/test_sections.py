"""What the sections of the panel show of what is chosen."""

from __future__ import annotations

import slicer

from CSAFusionLib.registration.methods import Method
from CSAFusionLib.slicer_host.panel.choices import Intensities, Reference, WeightsChoice
from CSAFusionLib.worker.devices import Devices
from Testing.host.application import open_panel, raise_errors
from Testing.host.command_line_modules import install_brainsfit
from Testing.host.pictures import cut_off, take_picture


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


def test_the_preview_shows_the_ranges_and_gives_the_display_back(panel, volumes):
    display = volumes[0].GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(30, 40)
    panel.ui.previewCheckBox.checked = True
    panel._parameterNode.intensitiesA = Intensities.GIVEN
    raise_errors()
    assert (display.GetWindow(), display.GetLevel()) == (300, 100)
    assert panel.ui.previewLabel.text.startswith("A: -50 is black, 250 is white.")
    panel.ui.widthASpinBox.value = 100.0
    assert (display.GetWindow(), display.GetLevel()) == (100, 100)
    panel.ui.previewCheckBox.checked = False
    raise_errors()
    assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (30, 40, 0)


def test_level_and_width_and_the_file_of_weights_appear_where_they_are_needed(panel):
    assert panel.ui.windowAWidget._qt.isHidden() and panel.ui.weightsFilePathLineEdit._qt.isHidden()
    panel._parameterNode.intensitiesA = Intensities.GIVEN
    panel._parameterNode.weights = WeightsChoice.FILE
    assert not panel.ui.windowAWidget._qt.isHidden() and not panel.ui.weightsFilePathLineEdit._qt.isHidden()
    assert panel.ui.windowBWidget._qt.isHidden()


def test_what_is_not_installed_is_greyed_out_with_the_reason_and_an_offer(module, volumes, monkeypatch):
    monkeypatch.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
    installed = {"antspyx": False}
    monkeypatch.setattr(
        "CSAFusionLib.slicer_host.panel.registration.is_installed", lambda name: installed.get(name, True)
    )
    asked = []
    monkeypatch.setattr(
        module.CSAFusionLogic,
        "ensureDependencies",
        lambda self, method=None: (asked.append(method), installed.update(antspyx=True)),
    )
    panel = open_panel(module)
    menu, ants, brains = panel.ui.methodComboBox, list(Method).index(Method.ANTS), list(Method).index(Method.BRAINS)
    assert not menu.model().item(ants).isEnabled() and not menu.model().item(brains).isEnabled()
    assert menu.itemData(ants, 3) == "Not installed: press Install ANTs." and "no BRAINSFit" in menu.itemData(brains, 3)
    assert not panel.ui.installButton._qt.isHidden()
    panel.ui.installButton.click()
    raise_errors()
    assert asked == [Method.ANTS] and panel.ui.installButton._qt.isHidden()
    assert menu.model().item(ants).isEnabled() and menu.itemData(ants, 3) == Method.ANTS.tooltip
    panel.cleanup()


def test_brainsfit_can_be_chosen_where_slicer_has_it(module, volumes, monkeypatch):
    monkeypatch.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
    install_brainsfit(monkeypatch)
    panel = open_panel(module)
    assert panel.ui.methodComboBox.model().item(list(Method).index(Method.BRAINS)).isEnabled()
    panel.cleanup()


def test_devices_are_offered_and_the_choice_is_kept_on_the_computer(panel, module, application):
    found = Devices({"cuda:0": "A card (8 GiB)"}, "cuda", "the fastest device that passed a test")
    panel._panel.fusion.show_devices(found)
    menu = panel.ui.deviceComboBox
    assert [menu.itemText(index) for index in range(menu.count)] == ["Automatic", "Processor (CPU)", "A card (8 GiB)"]
    assert panel.ui.deviceLabel.text == "Uses cuda: the fastest device that passed a test."
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
