"""The module file, its panel and its logic, driven as a user drives them, on a real scene with real child processes."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
import slicer
import slicer.util

from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.methods import Method
from CSAFusionLib.slicer_host import job as fusion_job
from CSAFusionLib.worker.launch import WorkerProcess
from Testing.host.application import load_module, open_panel
from Testing.host.scene import LEFT_HANDED, OBLIQUE, a_blob, a_linear_transform_node, a_volume_node, rotation, snapshot
from Testing.host.widgets import QTimer
from Testing.worker.child_tasks import negate

pytestmark = pytest.mark.usefixtures("temporary_folder")
TOOL_TIP_ROLE = 3


@pytest.fixture
def module(monkeypatch):
    return load_module(monkeypatch)


@pytest.fixture
def nodes():
    return a_volume_node("F", a_blob(), OBLIQUE), a_volume_node("M", a_blob(seed=1), LEFT_HANDED)


@pytest.fixture
def panel(module, nodes, monkeypatch):
    """The open panel, with two volumes in the scene, and every package there."""
    monkeypatch.setattr(module.CSAFusionLogic, "ensureDependencies", lambda self, settings: None)
    panel = open_panel(module)
    yield panel
    panel.cleanup()
    assert QTimer.running == []


@pytest.fixture
def child_does(monkeypatch):
    """Choose what the child process does in place of the fusion."""

    def choose(task: str) -> None:
        def start(job):
            worker = WorkerProcess(job, task=f"child_tasks:{task}")
            worker.start()
            return worker

        monkeypatch.setattr(fusion_job, "start_worker", start)

    return choose


def pump(until, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it takes too long"
        slicer.app.processEvents()
        time.sleep(0.01)


def new_nodes(before: dict) -> list:
    return [slicer.mrmlScene.GetNodeByID(key) for key in sorted(set(snapshot()) - set(before))]


def assert_ready(panel) -> None:
    assert panel.ui.applyButton.enabled and not panel.ui.cancelButton.enabled
    assert not panel.ui.progressBar.visible and not panel.logic.isRunning


def test_the_module_tells_what_it_is(module):
    class Parent:
        pass

    parent = module.CSAFusion(Parent()).parent
    assert parent.title == "CSAFusion" and parent.categories == ["Registration"]
    assert parent.dependencies == [] and "not for diagnosis" in parent.helpText


def test_two_volumes_in_the_scene_are_chosen(panel, nodes):
    assert (panel.ui.fixedSelector.currentNode(), panel.ui.movingSelector.currentNode()) == nodes
    assert_ready(panel)


def test_menus_show_titles_and_explain_themselves(panel):
    method = panel.ui.methodComboBox
    assert [method.itemText(index) for index in range(method.count)] == [choice.title for choice in Method]
    assert method.currentText == Method.SITK.title
    for name in ("methodComboBox", "transformModelComboBox", "fixedModalityComboBox", "deviceComboBox"):
        menu = getattr(panel.ui, name)
        assert all(menu.itemData(index, TOOL_TIP_ROLE) for index in range(menu.count))
    colours = panel.ui.colourTableComboBox
    assert colours.currentText == "grey" and colours.count > 2


def test_every_widget_a_user_touches_has_a_tooltip(panel):
    touched = [w for w in vars(panel.ui).values() if type(w).__name__ not in ("QLabel", "ctkCollapsibleButton")]
    assert len(touched) > 10 and all(widget.toolTip for widget in touched)


def test_apply_says_what_is_missing(panel, nodes):
    apply = panel.ui.applyButton
    panel.ui.fixedSelector.setCurrentNode(None)
    assert not apply.enabled and "fixed volume" in apply.toolTip
    panel.ui.fixedSelector.setCurrentNode(nodes[0])
    panel.ui.movingSelector.setCurrentNode(None)
    assert not apply.enabled and "moving volume" in apply.toolTip
    panel.ui.movingSelector.setCurrentNode(nodes[0])
    assert not apply.enabled and "'F' is selected twice" in apply.toolTip
    panel.ui.movingSelector.setCurrentNode(nodes[1])
    assert apply.enabled
    panel.ui.fusedSelector.setCurrentNode(nodes[0])
    assert not apply.enabled and "'F' is an input" in apply.toolTip


def test_a_transform_that_a_method_cannot_find_is_refused(panel):
    menu = panel.ui.transformModelComboBox
    menu.currentIndex = 2
    assert not panel.ui.applyButton.enabled
    assert "SimpleITK cannot find a 'Deformable (SyN)' transform" in panel.ui.applyButton.toolTip
    panel.ui.methodComboBox.currentIndex = list(Method).index(Method.ANTS)
    assert panel.ui.applyButton.enabled and menu.enabled
    panel.ui.methodComboBox.currentIndex = list(Method).index(Method.NONE)
    assert panel.ui.applyButton.enabled and not menu.enabled


def test_choices_become_settings(panel, module):
    parameters = panel._parameterNode
    parameters.fixedModality = module.ModalityChoice.MR
    parameters.colourTable = "hot-iron"
    parameters.device = module.DeviceChoice.CPU
    settings = panel.logic.settingsFrom(parameters)
    assert settings.fixed_modality.name == "MR" and settings.moving_modality is None
    assert (settings.colour_table, settings.device, settings.registration) == ("hot-iron", "cpu", Method.SITK)
    assert panel.ui.fixedModalityComboBox.currentText == "MR"


def test_every_choice_of_the_panel_is_known_to_the_backend(panel, module):
    parameters = panel._parameterNode
    for modality in module.ModalityChoice:
        for device in module.DeviceChoice:
            parameters.fixedModality, parameters.device = modality, device
            panel.logic.settingsFrom(parameters)


def test_from_apply_to_the_fused_volume(panel, nodes, child_does):
    child_does("negate")
    before = snapshot()
    panel.ui.applyButton.click()
    assert panel.logic.isRunning and panel.ui.progressBar.visible
    assert not panel.ui.applyButton.enabled and panel.ui.cancelButton.enabled
    assert "is running" in panel.ui.applyButton.toolTip
    pump(lambda: not panel.logic.isRunning)
    fused, *others = (node for node in new_nodes(before) if node.IsA("vtkMRMLVolumeNode"))
    assert not others
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(fused), -a_blob())
    assert fused.GetName() == "F + M fused"
    assert panel.ui.statusLabel.text == "Done: 'F + M fused'. a warning"
    assert slicer.app.shown_in_slice_viewers == [{"background": fused, "fit": True}]
    assert slicer.app.errors == []
    assert_ready(panel)


def test_progress_is_shown_in_the_panel(panel, child_does):
    child_does("work_for_long")
    panel.ui.applyButton.click()
    pump(lambda: panel.ui.statusLabel.text == "Running: work")
    assert panel.ui.progressBar.maximum == 0
    events = fusion_job.ProgressEvent("fusion", 3, 8)
    panel.onEvent(events)
    assert (panel.ui.progressBar.value, panel.ui.progressBar.maximum) == (3, 8)


def test_cancel_leaves_the_scene_as_it_was(panel, child_does, temporary_folder):
    child_does("work_for_long")
    before = snapshot()
    panel.ui.applyButton.click()
    pump(lambda: panel.ui.statusLabel.text == "Running: work")
    start = time.monotonic()
    panel.ui.cancelButton.click()
    pump(lambda: not panel.logic.isRunning)
    assert time.monotonic() - start < 2
    assert panel.ui.statusLabel.text == "Cancelled."
    assert snapshot() == before and list(temporary_folder.iterdir()) == []
    assert_ready(panel)


@pytest.mark.parametrize(("task", "said"), [("refuse", "'F' cannot be fused"), ("fail", "the disk is full")])
def test_an_error_is_one_sentence_in_the_panel_and_the_next_run_works(panel, child_does, task, said):
    before = snapshot()
    child_does(task)
    panel.ui.applyButton.click()
    pump(lambda: not panel.logic.isRunning)
    assert said in panel.ui.statusLabel.text and "\n" not in panel.ui.statusLabel.text
    assert snapshot() == before
    assert_ready(panel)
    child_does("negate")
    panel.ui.applyButton.click()
    pump(lambda: not panel.logic.isRunning)
    assert panel.ui.statusLabel.text.startswith("Done")


def test_what_was_declined_is_told_and_nothing_starts(panel, monkeypatch):
    def decline(self, settings):
        raise InputError("PyTorch was not installed; the fusion cannot run without it.")

    monkeypatch.setattr(type(panel.logic), "ensureDependencies", decline)
    panel.ui.applyButton.click()
    assert panel.ui.statusLabel.text.startswith("PyTorch was not installed")
    assert_ready(panel)


def test_an_error_nobody_foresaw_ends_the_run_and_reaches_the_console(panel, child_does, monkeypatch):
    child_does("work_for_long")
    panel.ui.applyButton.click()
    monkeypatch.setattr(panel.logic._job, "poll", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        slicer.app.processEvents()
    assert "error it does not know" in panel.ui.statusLabel.text
    assert_ready(panel)


def test_closing_the_scene_ends_the_run_and_the_panel_goes_on(panel, child_does, scene, temporary_folder):
    child_does("work_for_long")
    panel.ui.applyButton.click()
    scene.Clear(False)
    assert not panel.logic.isRunning and list(temporary_folder.iterdir()) == []
    assert not panel.ui.applyButton.enabled and panel.ui.fixedSelector.currentNode() is None


def test_leaving_the_panel_lets_the_run_go_on(panel, child_does):
    child_does("negate")
    before = snapshot()
    panel.ui.applyButton.click()
    panel.exit()
    pump(lambda: not panel.logic.isRunning)
    assert any(node.IsA("vtkMRMLVolumeNode") for node in new_nodes(before))
    panel.enter()
    assert_ready(panel)


def test_closing_the_application_leaves_no_process_and_no_file(
    module, nodes, child_does, temporary_folder, monkeypatch
):
    monkeypatch.setattr(module.CSAFusionLogic, "ensureDependencies", lambda self, settings: None)
    child_does("work_for_long")
    panel = open_panel(module)
    panel.ui.applyButton.click()
    panel.cleanup()
    assert QTimer.running == [] and list(temporary_folder.iterdir()) == []


def test_choices_survive_leaving_and_another_panel(panel, module):
    panel.ui.methodComboBox.currentIndex = list(Method).index(Method.ANTS)
    panel.exit()
    panel.enter()
    assert panel.ui.methodComboBox.currentText == Method.ANTS.title
    assert panel.logic.getParameterNode().method is Method.ANTS


def test_choices_survive_saving_and_loading_the_scene(panel, scene, tmp_path, nodes):
    panel.ui.methodComboBox.currentIndex = list(Method).index(Method.NONE)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    for node in nodes:
        node.SetSaveWithScene(True)
    assert scene.Commit()
    scene.Clear(False)
    assert panel._parameterNode.method is Method.SITK
    scene.Import()
    panel.enter()
    assert panel._parameterNode.method is Method.NONE


def test_reloading_forgets_the_package(panel, child_does, monkeypatch):
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    panel.onReload()
    assert panel.reloads == 1
    assert not [name for name in sys.modules if name.split(".")[0] == "CSAFusionLib"]


def test_a_second_run_is_refused_while_one_runs(panel, nodes, child_does):
    child_does("work_for_long")
    panel.ui.applyButton.click()
    with pytest.raises(InputError, match="is running"):
        panel.logic.start(*nodes, onEvent=print)
    panel.ui.cancelButton.click()


def test_one_line_from_the_console(module, nodes, monkeypatch):
    monkeypatch.setattr("CSAFusionLib.slicer_host.fusion.fuse_volumes", negate)
    stages = []
    logic = module.CSAFusionLogic()
    fused = logic.fuse(*nodes, FusionSettings(seed=5), progress=lambda *report: stages.append(report))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(fused), -a_blob())
    assert '"seed": 5' in fused.GetAttribute("CSAFusion.settings")
    assert stages[-1] == ("negation", 3, 3)
    again = logic.fuse(*nodes, outputNode=fused)
    assert again is fused


def test_both_ways_refuse_an_output_that_would_change_an_input(module):
    parent = a_linear_transform_node(rotation(5))
    outer = a_linear_transform_node(rotation(5))
    parent.SetAndObserveTransformNodeID(outer.GetID())
    fixed = a_volume_node("F", a_blob(), OBLIQUE)
    moving = a_volume_node("M", a_blob(seed=1), OBLIQUE, parent=parent)
    before = snapshot()
    logic = module.CSAFusionLogic()
    for run in (logic.fuse, lambda *arguments: logic.start(*arguments, onEvent=print)):
        with pytest.raises(InputError, match="'M' is an input"):
            run(fixed, moving, None, moving)
        with pytest.raises(InputError, match="already moves 'M'"):
            run(fixed, moving, None, None, outer)
        with pytest.raises(InputError, match="Select the moving volume"):
            run(fixed, None)
    assert snapshot() == before


def test_the_modules_own_test_passes(module):
    module.CSAFusionTest().runTest()


def test_the_panel_asks_for_torch_and_for_antspyx_only_where_ants_is_chosen(module, monkeypatch):
    asked = []
    monkeypatch.setattr("CSAFusionLib.slicer_host.dependencies.ensure_torch", lambda: asked.append("torch"))
    monkeypatch.setattr("CSAFusionLib.slicer_host.dependencies.ensure_packages", lambda path: asked.append(path.name))
    logic = module.CSAFusionLogic()
    logic.ensureDependencies(FusionSettings())
    assert asked == ["torch", "requirements.txt"]
    logic.ensureDependencies(FusionSettings(registration=Method.ANTS))
    assert asked[2:] == ["torch", "requirements.txt", "requirements-ants.txt"]
