"""The module file, its panel and its logic, driven as a user drives them, on a real scene with real child processes."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
import slicer
import slicer.util

from CSAFusionLib.batch.child import Row
from CSAFusionLib.errors import Cancelled, InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.registration import Method, TransformModel
from CSAFusionLib.slicer_host.fusion_job import Outputs
from CSAFusionLib.slicer_host.wording import title_of
from Testing.host.application import open_panel, raise_errors
from Testing.host.fixtures import pump
from Testing.host.packaging import install_packaging
from Testing.host.registration_extensions import install_slicer_ants, install_slicer_elastix
from Testing.host.scene import a_blob, a_blob_node, a_linear_transform_node, rotation, snapshot

TOOL_TIP_ROLE = 3
MENUS = ("preset", "modalityA", "modalityB", "intensitiesA", "intensitiesB", "reference", "colourTable", "method")
MENUS += ("transformModel", "weights", "plane")


def choose(menu, choice) -> None:
    """What a user does to a menu."""
    menu.currentIndex = list(type(choice)).index(choice)
    raise_errors()


def apply_and_wait(panel) -> None:
    panel.ui.applyButton.click()
    raise_errors()
    pump(lambda: not panel.logic.isRunning)
    raise_errors()


def assert_ready(panel) -> None:
    assert panel.ui.applyButton.enabled and not panel.ui.cancelButton.enabled
    assert panel.ui.progressBar._qt.isHidden() and not panel.logic.isRunning


def test_the_module_tells_what_it_is(module):
    class Parent:
        pass

    parent = module.CSAFusion(Parent()).parent
    assert parent.title == "CSAFusion" and parent.categories == ["Registration"]
    assert parent.dependencies == [] and "not for diagnosis" in parent.helpText
    # Slicer's generic test of every module demands it.
    assert "article" in parent.acknowledgementText and "PyTorch" in parent.acknowledgementText


def test_two_volumes_in_the_scene_are_chosen(panel, volumes):
    assert (panel.ui.volumeASelector.currentNode(), panel.ui.volumeBSelector.currentNode()) == volumes
    assert_ready(panel)


def test_menus_show_titles_and_explain_themselves(panel):
    method = panel.ui.methodComboBox
    assert [method.itemText(index) for index in range(method.count)] == [title_of(choice) for choice in Method]
    for name in MENUS:
        menu = getattr(panel.ui, f"{name}ComboBox")
        assert all(menu.itemData(index, TOOL_TIP_ROLE) for index in range(menu.count)), name


def test_every_widget_a_user_touches_has_a_tooltip_and_a_place_in_the_keyboard_order(panel):
    labels = ("QLabel", "ctkCollapsibleButton", "QProgressBar")
    touched = [w for w in vars(panel.ui).values() if "toolTip" in dir_of(w) and type(w).__name__ not in labels]
    touched = [w for w in touched if w.name != "CSAFusion" and not w.name.startswith("qt_") and "Widget" not in w.name]
    assert len(touched) > 25 and [w.name for w in touched if not w.toolTip] == []


def dir_of(widget) -> list[str]:
    meta = widget._qt.metaObject()
    return [meta.property(index).name() for index in range(meta.propertyCount())]


def test_apply_says_what_is_missing(panel, volumes):
    apply = panel.ui.applyButton
    panel.ui.volumeASelector.setCurrentNode(None)
    assert not apply.enabled and apply.toolTip == panel.ui.missingLabel.text == "Select volume A too."
    panel.ui.volumeBSelector.setCurrentNode(None)
    assert apply.toolTip == "Select volume A and volume B."
    panel.ui.volumeASelector.setCurrentNode(volumes[0])
    panel.ui.volumeBSelector.setCurrentNode(volumes[0])
    assert not apply.enabled and "'F' is selected twice" in apply.toolTip
    panel.ui.volumeBSelector.setCurrentNode(volumes[1])
    assert apply.enabled
    panel.ui.fusedSelector.setCurrentNode(volumes[0])
    assert not apply.enabled and "'F' is an input" in apply.toolTip


def test_a_transform_that_a_method_cannot_find_is_refused_and_greyed_out(panel):
    menu = panel.ui.transformModelComboBox
    choose(panel.ui.methodComboBox, Method.SITK)
    syn = list(TransformModel).index(TransformModel.SYN)
    assert not menu.model().item(syn).isEnabled()
    panel._parameterNode.transformModel = TransformModel.SYN
    assert not panel.ui.applyButton.enabled
    assert "SimpleITK cannot find a 'Deformable (SyN)' transform" in panel.ui.applyButton.toolTip
    choose(panel.ui.methodComboBox, Method.ANTS)
    assert panel.ui.applyButton.enabled and menu.enabled and menu.model().item(syn).isEnabled()
    choose(panel.ui.methodComboBox, Method.NONE)
    assert panel.ui.applyButton.enabled and not menu.enabled


def test_from_apply_to_the_fused_volume(panel, volumes, child_does):
    child_does("negate")
    before = snapshot()
    panel.ui.applyButton.click()
    assert panel.logic.isRunning and not panel.ui.progressBar._qt.isHidden()
    assert not panel.ui.applyButton.enabled and panel.ui.cancelButton.enabled
    assert "is running" in panel.ui.applyButton.toolTip
    pump(lambda: not panel.logic.isRunning)
    raise_errors()
    after = snapshot()
    assert {key: after[key] for key in before if "ScriptedModule" not in key and "Slice" not in key} == {
        key: state for key, state in before.items() if "ScriptedModule" not in key and "Slice" not in key
    }
    fused = panel._parameterNode.fusedVolume
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(fused), -a_blob())
    assert fused.GetName() == "F + M fused" and panel.ui.fusedSelector.currentNode() is fused
    assert panel.ui.statusLabel.text == "Done: 'F + M fused'."
    assert not panel.ui.resultCollapsibleButton.collapsed
    composite = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert composite.GetForegroundVolumeID() == fused.GetID()
    assert slicer.app.errors == []
    assert_ready(panel)


def test_a_second_run_overwrites_the_first_result(panel, child_does):
    child_does("negate")
    apply_and_wait(panel)
    nodes = set(snapshot())
    apply_and_wait(panel)
    assert set(snapshot()) == nodes


def test_progress_is_shown_in_the_panel_with_the_time_left(panel, child_does):
    from CSAFusionLib.worker.job import ProgressEvent

    child_does("work_for_long")
    panel.ui.applyButton.click()
    pump(lambda: panel.ui.statusLabel.text == "work")
    assert panel.ui.progressBar.maximum == 0
    panel._panel.show_event(ProgressEvent("Fusing slices", 0, 8))
    time.sleep(0.05)
    panel._panel.show_event(ProgressEvent("Fusing slices", 3, 8))
    assert (panel.ui.progressBar.value, panel.ui.progressBar.maximum) == (3, 8)
    assert panel.ui.statusLabel.text == "Fusing slices: 3 of 8, about 1 s left"


def test_cancel_leaves_the_scene_as_it_was(panel, child_does, temporary_folder):
    child_does("work_for_long")
    before = snapshot()
    panel.ui.applyButton.click()
    pump(lambda: panel.ui.statusLabel.text == "work")
    start = time.monotonic()
    panel.ui.cancelButton.click()
    pump(lambda: not panel.logic.isRunning)
    assert time.monotonic() - start < 2
    assert panel.ui.statusLabel.text == "Cancelled."
    assert snapshot() == before and list(temporary_folder.iterdir()) == []
    assert_ready(panel)


def test_what_was_declined_is_told_and_nothing_starts(panel, application, monkeypatch):
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    utils = ModuleType("PyTorchUtils")
    utils.__spec__ = ModuleSpec("PyTorchUtils", None)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", utils)
    monkeypatch.setattr("CSAFusionLib.slicer_host.dependencies.is_installed", lambda name: False)
    application.answers = [False]
    panel.ui.applyButton.click()
    assert panel.ui.statusLabel.text.startswith("The fusion cannot run without torch>=2.1, safetensors>=0.4")
    assert len(application.questions) == 1 and "200 MB" in application.questions[0]
    assert_ready(panel)


def test_an_error_nobody_foresaw_ends_the_run_and_reaches_the_console(panel, child_does, monkeypatch):
    child_does("work_for_long")
    panel.ui.applyButton.click()
    job = panel.logic._job
    monkeypatch.setattr(job, "poll", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pump(lambda: False)
    assert "An unexpected error occurred" in panel.ui.statusLabel.text
    assert_ready(panel)
    job._worker.cancel()


def test_closing_the_scene_ends_the_run_and_the_panel_goes_on(panel, child_does, scene, temporary_folder):
    child_does("work_for_long")
    panel.ui.applyButton.click()
    scene.Clear(False)
    assert not panel.logic.isRunning and list(temporary_folder.iterdir()) == []
    assert not panel.ui.applyButton.enabled and panel.ui.volumeASelector.currentNode() is None


def test_leaving_the_panel_lets_the_run_go_on_and_its_result_is_kept(panel, child_does):
    child_does("negate")
    panel.ui.applyButton.click()
    panel.exit()
    pump(lambda: not panel.logic.isRunning)
    panel.enter()
    assert panel.ui.fusedSelector.currentNode().GetName() == "F + M fused"
    assert_ready(panel)


def test_closing_the_application_leaves_no_process_and_no_file(panel, child_does, temporary_folder):
    child_does("work_for_long")
    panel.ui.applyButton.click()
    panel.cleanup()
    assert not panel.logic.isRunning and list(temporary_folder.iterdir()) == []


def test_choices_survive_leaving_and_another_panel(panel, module):
    choose(panel.ui.methodComboBox, Method.ANTS)
    choose(panel.ui.planeComboBox, module.PlaneChoice.CORONAL)
    panel.ui.balanceSlider.value = 0.25
    panel.exit()
    panel.enter()
    assert panel.ui.methodComboBox.currentText == title_of(Method.ANTS)
    assert panel.logic.getParameterNode().method is Method.ANTS
    assert panel.ui.planeComboBox.currentText == "Coronal" and panel.ui.balanceSlider.value == 0.25
    other = open_panel(module)
    assert other.ui.methodComboBox.currentText == title_of(Method.ANTS)
    other.cleanup()


def test_choices_survive_saving_and_loading_the_scene(panel, module, scene, tmp_path):
    choose(panel.ui.methodComboBox, Method.NONE)
    panel._parameterNode.mask = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S")
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    scene.Clear(False)
    assert panel._parameterNode.method is Method.AUTO
    scene.Import()
    raise_errors()
    assert panel._parameterNode.method is Method.NONE
    assert panel.ui.methodComboBox.currentText == title_of(Method.NONE)
    assert panel.ui.volumeASelector.currentNode().GetName() == "F"
    assert panel.ui.maskSelector.currentNode().GetName() == "S"


def test_a_scene_that_a_version_before_has_saved_keeps_its_choices(module, scene):
    raw = scene.AddNode(module.CSAFusionLogic().createParameterNode())
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "T")
    raw.SetParameter("makeFigures", "False")
    raw.SetParameter("figuresTable", "")
    raw.SetNodeReferenceID("figuresTable", table.GetID())
    loaded = module.CSAFusionLogic().getParameterNode()
    assert loaded.makeSliceTable is False and loaded.sliceTable is table
    loaded.makeSliceTable = True
    assert module.CSAFusionLogic().getParameterNode().makeSliceTable is True


def test_several_parameter_nodes_can_be_shown_in_turn(panel, module, scene):
    logic = panel.logic
    logic.isSingletonParameterNode = False
    other = module.CSAFusionParameterNode(scene.AddNode(logic.createParameterNode()))
    choose(panel.ui.methodComboBox, Method.NONE)
    first = panel._parameterNode
    panel.setParameterNode(other)
    assert panel.ui.methodComboBox.currentText == title_of(Method.AUTO)
    choose(panel.ui.methodComboBox, Method.ANTS)
    assert (first.method, other.method) == (Method.NONE, Method.ANTS)
    panel.setParameterNode(first)
    assert panel.ui.methodComboBox.currentText == title_of(Method.NONE)


def test_reloading_forgets_the_package(panel, monkeypatch):
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    panel.onReload()
    assert panel.reloads == 1
    assert not [name for name in sys.modules if name.split(".")[0] == "CSAFusionLib"]


def test_a_second_run_is_refused_while_one_runs(panel, volumes, child_does):
    child_does("work_for_long")
    panel.ui.applyButton.click()
    with pytest.raises(InputError, match="is running"):
        panel.logic.start(*volumes, onEvent=print)
    panel.ui.cancelButton.click()


def test_the_console_waits_for_the_run_of_the_panel(panel, volumes, child_does):
    child_does("negate")
    panel.ui.applyButton.click()
    stages = []
    fused = panel.logic.fuse(*volumes, progress=lambda stage, done, total: stages.append(stage))
    assert stages[0] == "Waiting" and stages[-1] == "negation"
    first = panel._parameterNode.fusedVolume
    assert first is not None and fused is not first and panel.ui.statusLabel.text == "Done: 'F + M fused'."
    assert_ready(panel)


def test_who_waits_for_the_panel_can_give_up_and_leaves_its_run_alone(panel, volumes, child_does):
    child_does("work_for_long")
    panel.ui.applyButton.click()

    def give_up(stage, done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        panel.logic.fuse(*volumes, progress=give_up)
    assert panel.logic.isRunning
    panel.ui.cancelButton.click()


def test_during_a_run_of_the_console_the_panel_says_so_and_can_cancel_it(panel, volumes, child_does, temporary_folder):
    child_does("work_for_long")
    seen = []

    def look(stage, done, total):
        if not seen:
            seen.append((panel.ui.applyButton.enabled, panel.ui.applyButton.toolTip))
            panel.ui.cancelButton.click()

    with pytest.raises(Cancelled):
        panel.logic.fuse(*volumes, progress=look)
    assert seen == [(False, "A fusion is running; wait for it or cancel it.")]
    assert list(temporary_folder.iterdir()) == []
    assert_ready(panel)


def test_from_the_console_an_error_is_its_sentence_and_the_scene_is_as_before(module, volumes, child_does):
    child_does("refuse")
    before = snapshot()
    with pytest.raises(InputError, match="'F' cannot be fused"):
        module.CSAFusionLogic().fuse(*volumes)
    assert snapshot() == before


@pytest.mark.parametrize("error", [Cancelled, KeyboardInterrupt])
def test_an_exception_of_the_callback_ends_the_child_and_the_waiting(
    module, volumes, child_does, temporary_folder, error
):
    def stop(*_):
        raise error

    child_does("work_for_long")
    before = snapshot()
    logic = module.CSAFusionLogic()
    with pytest.raises(error):
        logic.fuse(*volumes, progress=stop)
    assert not logic.isRunning and snapshot() == before and list(temporary_folder.iterdir()) == []


@pytest.fixture
def without_safetensors(monkeypatch, application):
    """Apply has to install a package first, to which the user agrees."""
    names = {"torch"}
    monkeypatch.setattr("CSAFusionLib.slicer_host.dependencies.is_installed", lambda name: name in names)
    application.answers = [True]
    packaging = install_packaging(monkeypatch)

    def finish(code: int = 0) -> None:
        names.update({"safetensors"} if code == 0 else ())
        packaging.finish(code)
        raise_errors()

    return finish


def test_apply_installs_beside_slicer_and_goes_on_by_itself(panel, child_does, without_safetensors):
    child_does("negate")
    panel.ui.applyButton.click()
    raise_errors()
    assert panel.logic.isInstalling and not panel.logic.isRunning and panel.ui.statusLabel.text.startswith("Installing")
    without_safetensors()
    assert panel.logic.isRunning
    pump(lambda: not panel.logic.isRunning)
    assert panel.ui.statusLabel.text == "Done: 'F + M fused'."


def test_apply_does_not_go_on_after_the_user_has_left(panel, without_safetensors):
    panel.ui.applyButton.click()
    panel.exit()
    without_safetensors()
    assert not panel.logic.isRunning
    panel.enter()
    assert panel.ui.statusLabel.text == "The packages are installed; press Apply."
    assert_ready(panel)


def test_an_installation_that_fails_is_told(panel, without_safetensors):
    panel.ui.applyButton.click()
    without_safetensors(1)
    assert "could not be installed" in panel.ui.statusLabel.text
    assert_ready(panel)


def test_one_line_from_the_console(module, volumes, child_does):
    child_does("negate")
    stages = []
    logic = module.CSAFusionLogic()
    fused = logic.fuse(*volumes, FusionSettings(seed=5), progress=lambda *report: stages.append(report))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(fused), -a_blob())
    assert '"seed": 5' in fused.GetAttribute("CSAFusion.settings")
    assert stages[-1] == ("negation", 3, 3)
    assert logic.fuse(*volumes, outputs=Outputs(fused=fused)) is fused


def test_both_ways_refuse_an_output_that_would_change_an_input(module):
    parent = a_linear_transform_node(rotation(5))
    outer = a_linear_transform_node(rotation(5))
    parent.SetAndObserveTransformNodeID(outer.GetID())
    fixed = a_blob_node("F")
    moving = a_blob_node("M", parent=parent, seed=1)
    before = snapshot()
    logic = module.CSAFusionLogic()
    for run in (logic.fuse, lambda *arguments: logic.start(*arguments, onEvent=print)):
        with pytest.raises(InputError, match="'M' is an input"):
            run(fixed, moving, None, Outputs(fused=moving))
        with pytest.raises(InputError, match="already moves 'M'"):
            run(fixed, moving, None, Outputs(transform=outer))
        with pytest.raises(InputError, match="Select the moving volume"):
            run(fixed, None)
    assert snapshot() == before


def test_the_modules_own_test_passes(module):
    module.CSAFusionTest().runTest()


@pytest.fixture
def wanted(monkeypatch) -> list[list[str]]:
    """The requirements files that are looked at, of which nothing is missing."""
    looked_at: list[list[str]] = []

    def look(paths, *, with_torch=True):
        assert all(path.is_file() for path in paths)
        looked_at.append(["torch"] * with_torch + [path.name for path in paths])
        return []

    monkeypatch.setattr("CSAFusionLib.slicer_host.dependencies.missing_from", look)
    return looked_at


@pytest.mark.parametrize("method", [Method.ANTS, Method.ELASTIX])
def test_the_packages_of_a_method_are_asked_for_only_where_it_is_chosen(module, monkeypatch, wanted, method):
    monkeypatch.setattr("CSAFusionLib.slicer_host.engines.is_installed", lambda name: False)
    logic = module.CSAFusionLogic()
    for one in (None, Method.SITK, method):
        logic.ensureDependencies(one)
    own = f"requirements-{method.name.lower()}.txt"
    assert wanted == [["torch", "requirements.txt"]] * 2 + [["torch", "requirements.txt", own]]
    assert not logic.install(method, print) and wanted[-1] == [own]


def test_what_an_extension_registers_needs_no_package(module, volumes, child_does, monkeypatch, wanted):
    child_does("negate")
    install_slicer_ants(monkeypatch)
    monkeypatch.setattr("CSAFusionLib.slicer_host.engines.is_installed", lambda name: False)
    module.CSAFusionLogic().fuse(*volumes, FusionSettings(registration=Method.ANTS))
    assert wanted == [["torch", "requirements.txt"]]


def test_an_extension_that_only_blocks_leaves_the_panel_alive(panel, child_does, monkeypatch, tmp_path):
    child_does("negate")
    elastix = install_slicer_elastix(monkeypatch, tmp_path / "Elastix")
    monkeypatch.setattr("CSAFusionLib.slicer_host.engines.is_installed", lambda name: False)
    seen = []

    def between():
        panel.logic._poll()
        seen.append(panel.ui.statusLabel.text)

    elastix.between = between
    panel._parameterNode.method = Method.ELASTIX
    apply_and_wait(panel)
    assert seen == ["Registering with elastix"] * elastix.lines
    assert panel.ui.statusLabel.text == "Done: 'F + M fused'."
    elastix.between = panel.ui.cancelButton.click
    apply_and_wait(panel)
    assert panel.ui.statusLabel.text == "Cancelled." and elastix.cancelled == 1
    assert_ready(panel)


def test_sample_data_is_registered_when_slicer_has_started(module, application, monkeypatch):
    from types import SimpleNamespace

    registered = []
    logic = SimpleNamespace(registerCustomSampleDataSource=lambda **source: registered.append(source))
    monkeypatch.setitem(sys.modules, "SampleData", SimpleNamespace(SampleDataLogic=logic))
    module.CSAFusion(SimpleNamespace())
    assert registered == []
    for slot in application.at_startup:
        slot()
    example, source = registered
    assert example["uris"] == example["fileNames"] == example["nodeNames"] == []
    assert source["nodeNames"] == ["CTBrain", "MRBrainT1"] and source["category"] == "CSAFusion"
    assert {len(source[name]) for name in ("uris", "fileNames", "nodeNames", "checksums")} == {2}
    assert all(
        digest.removeprefix("SHA256:") in uri for digest, uri in zip(source["checksums"], source["uris"], strict=True)
    )


def test_many_pairs_from_the_console(module, volumes, batches, tmp_path, monkeypatch):
    logic = module.CSAFusionLogic()
    monkeypatch.setattr(logic, "ensureDependencies", lambda method, forBatch: None)
    batches.plan = [Row("F_M", "failed", "", "It cannot be done.")]
    rows = []
    records = logic.batch([volumes], tmp_path, FusionSettings(registration="none"), onRow=rows.append)
    assert [(row.status, row.reason) for row in rows] == [("failed", "It cannot be done.")]
    assert [record.name for record in records] == [rows[0].name]
    (batch,) = batches.made
    assert [pair.settings.registration for pair in batch.pairs] == [Method.NONE]
    assert all(pair.fixed.exists() for pair in batch.pairs)
    assert logic.busy() == ""


def test_a_callback_that_gives_up_ends_the_batch(module, volumes, batches, tmp_path, monkeypatch):
    logic = module.CSAFusionLogic()
    monkeypatch.setattr(logic, "ensureDependencies", lambda method, forBatch: None)
    batches.plan = [Row("F_M", "done", "good", "It is."), None]
    busy = []

    def give_up(row):
        busy.append(logic.busy())
        raise Cancelled

    with pytest.raises(Cancelled):
        logic.batch([volumes], tmp_path, onRow=give_up)
    assert busy == ["A batch is running; wait for its end or cancel it."]
    assert batches.made[0].cancelled
    assert logic.busy() == ""


def test_a_batch_has_the_package_of_its_method_installed_also_where_an_extension_would_do(
    module, application, monkeypatch, tmp_path
):
    packaging = install_packaging(monkeypatch)
    install_slicer_elastix(monkeypatch, tmp_path / "Elastix")
    for name in ("engines", "dependencies"):
        monkeypatch.setattr(f"CSAFusionLib.slicer_host.{name}.is_installed", lambda name: name != "itk-elastix")
    logic = module.CSAFusionLogic()
    assert not logic.install(Method.ELASTIX, print, forFusion=True)
    application.answers = [True]
    assert logic.install(Method.ELASTIX, print, forFusion=True, forBatch=True)
    assert any("itk-elastix" in line for line in packaging.asked[0]["requirements"])
