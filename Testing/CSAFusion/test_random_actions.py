"""Users who do anything in any order: no exception, and nothing is left of them but what they made.

Each is a number, which seeds what it does. Many of them, or one alone:

    CSAFUSION_USERS=0-499 python -m pytest Testing/CSAFusion/test_random_actions.py
    CSAFUSION_USERS=123-123 python -m pytest Testing/CSAFusion/test_random_actions.py
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
import slicer
import slicer.util

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.batch.child import Row
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.views import composites
from Testing.host.application import open_panel, raise_errors
from Testing.host.fixtures import pump
from Testing.host.pythonqt import destroy_all
from Testing.host.scene import LEFT_HANDED, OBLIQUE, a_blob, a_volume_node

pytestmark = pytest.mark.slow

ACTIONS_EACH = 8
FIRST, LAST = map(int, os.environ.get("CSAFUSION_USERS", "0-49").split("-"))
LAYOUTS = (slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView, slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView)


class User:
    """Someone at the panel."""

    def __init__(self, panel, seed: int, out: Path) -> None:
        self.panel, self.ui, self.out = panel, panel.ui, out
        self.random = random.Random(seed)
        self.done: list[str] = []
        self.made: set[str] = set()
        self.found = {
            slicer.mrmlScene.GetNthNode(index).GetID() for index in range(slicer.mrmlScene.GetNumberOfNodes())
        }

    def act(self) -> None:
        names = [name for name in dir(User) if name.startswith("do_")]
        often = ("do_apply", "do_choose_volumes", "do_load_volumes", "do_start_a_batch")
        weights = [3 if name in often else 1 for name in names]
        (name,) = self.random.choices(names, weights)
        self.done.append(name)
        getattr(self, name)()
        slicer.app.processEvents()
        raise_errors()

    def do_load_volumes(self) -> None:
        self.made.add(a_volume_node("F", a_blob((4, 6, 5)), OBLIQUE).GetID())
        self.made.add(a_volume_node("M", a_blob((4, 6, 5), seed=1), LEFT_HANDED).GetID())

    def do_choose_volumes(self) -> None:
        for selector in (self.ui.volumeASelector, self.ui.volumeBSelector):
            selector.setCurrentNode(self.random.choice([None, *selector._qt._listed]))

    def do_choose_region(self) -> None:
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
        self.made.add(roi.GetID())
        roi.SetSize(50, 50, 50)
        roi.SetCenter(*OBLIQUE[:3, 3])
        self.ui.roiSelector.setCurrentNode(self.random.choice([None, roi]))

    def do_change_menus(self) -> None:
        for name in ("modalityA", "intensitiesB", "reference", "transformModel", "weights", "plane", "device"):
            menu = getattr(self.ui, f"{name}ComboBox")
            menu.currentIndex = self.random.randrange(menu.count)
        self.ui.methodComboBox.currentIndex = list(Method).index(self.random.choice([Method.NONE, Method.SITK]))

    def do_use_a_preset(self) -> None:
        self.ui.presetComboBox.activated(self.random.randrange(5))

    def do_tick_boxes(self) -> None:
        for name in ("previewCheckBox", "contributionCheckBox", "sliceTableCheckBox"):
            getattr(self.ui, name).checked = self.random.random() < 0.5

    def do_apply(self) -> None:
        self.ui.applyButton.click()

    def do_apply_and_wait(self) -> None:
        self.ui.applyButton.click()
        pump(lambda: not self.panel.logic.isRunning)

    def do_cancel(self) -> None:
        self.ui.cancelButton.click()

    def do_look(self) -> None:
        for name in ("compareButton", "checkButton", "sliceTableButton", "renderButton"):
            getattr(self.ui, name).click()
        self.ui.overlaySlider.value = self.random.random()

    def do_delete_an_input(self) -> None:
        for selector in (self.ui.volumeASelector, self.ui.volumeBSelector):
            if selector.currentNode() and self.random.random() < 0.5:
                slicer.mrmlScene.RemoveNode(selector.currentNode())

    def do_press_a_button(self) -> None:
        buttons = ["compareButton", "checkButton", "sliceTableButton", "renderButton"]
        getattr(self.ui, self.random.choice(buttons)).click()

    def do_delete_the_result(self) -> None:
        if self.ui.fusedSelector.currentNode():
            slicer.mrmlScene.RemoveNode(self.ui.fusedSelector.currentNode())

    def do_delete_a_part_of_the_result(self) -> None:
        kinds = ("vtkMRMLScalarVolumeNode", "vtkMRMLTableNode", "vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode")
        nodes = [node for kind in kinds for node in slicer.util.getNodesByClass(kind) if node.GetID() not in self.made]
        if nodes:
            slicer.mrmlScene.RemoveNode(self.random.choice(nodes))

    def do_delete_a_view(self) -> None:
        nodes = [node for node in slicer.util.getNodesByClass("vtkMRMLSliceNode") if "CSAFusion" in node.GetName()]
        if nodes:
            slicer.mrmlScene.RemoveNode(self.random.choice(nodes))

    def do_choose_a_layout(self) -> None:
        slicer.app.layoutManager().setLayout(self.random.choice(LAYOUTS))

    def do_link_the_views(self) -> None:
        composites()[0].SetLinkedControl(self.random.random() < 0.5)

    def do_edit_an_input(self) -> None:
        if self.ui.volumeASelector.currentNode():
            self.ui.volumeASelector.currentNode().SetOrigin(self.random.random(), 0, 0)

    def do_close_the_scene(self) -> None:
        slicer.mrmlScene.Clear(False)

    def do_style_and_correct(self) -> None:
        self.ui.styleComboBox.currentIndex = self.random.randrange(self.ui.styleComboBox.count)
        self.ui.biasCorrectionCheckBox.checked = self.random.random() < 0.5

    def do_mask_the_registration(self) -> None:
        mask = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "L")
        self.made.add(mask.GetID())
        slicer.util.updateVolumeFromArray(mask, (a_blob((4, 6, 5)) > 40).astype("u1"))
        mask.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(OBLIQUE))
        self.ui.registrationMaskASelector.setCurrentNode(self.random.choice([None, mask]))

    def do_change_the_batch(self) -> None:
        source = self.ui.batchSourceComboBox
        source.currentIndex = self.random.choice([0, 0, self.random.randrange(source.count)])
        self.ui.batchFolderPathLineEdit.currentPath = self.random.choice(["", str(self.out)])
        self.ui.batchCasesTable.selectRow(0)
        getattr(self.ui, self.random.choice(["batchAddButton", "batchAddButton", "batchRemoveButton"])).click()

    def do_start_a_batch(self) -> None:
        self.ui.batchFolderPathLineEdit.currentPath = str(self.out)
        self.ui.batchAddButton.click()
        self.ui.batchStartButton.click()

    def do_cancel_the_batch(self) -> None:
        self.ui.batchCancelButton.click()

    def do_let_the_batch_go_on(self) -> None:
        end = time.monotonic() + 0.5
        while self.panel.logic.isBatchRunning and time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.01)

    def do_leave_and_come_back(self) -> None:
        self.panel.exit()
        slicer.app.processEvents()
        self.panel.enter()


def child_processes() -> list[str]:
    return [pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]


def delete_all_results(user: User) -> None:
    """What a user does who has no use for them."""
    for node in slicer.util.getNodesByClass("vtkMRMLVolumeNode") + slicer.util.getNodesByClass("vtkMRMLTableNode"):
        if node.GetID() not in user.made and slicer.mrmlScene.IsNodePresent(node):
            slicer.mrmlScene.RemoveNode(node)


def left_over(user: User) -> list[str]:
    """Nodes that neither the user nor Slicer has made; Slicer leaves how a deleted volume was shown."""
    nodes = map(slicer.mrmlScene.GetNthNode, range(slicer.mrmlScene.GetNumberOfNodes()))
    left = [node for node in nodes if not node.GetSingletonTag() and node.GetID() not in user.made | user.found]
    return [node.GetID() for node in left if not node.IsA("vtkMRMLVolumeDisplayNode") and "ROI" not in node.GetID()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are counted as Linux shows them")
def test_users_leave_nothing_behind_but_what_they_made(
    module, scene, child_does, batches, temporary_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
    child_does("negate")
    before = child_processes()
    for seed in range(FIRST, LAST + 1):
        panel = open_panel(module)
        user = User(panel, seed, tmp_path / "out")
        batches.plan = [Row("F_M", "done", "good", "It is."), *random.Random(seed).choice([[], [None], ["It failed."]])]
        try:
            for _ in range(ACTIONS_EACH):
                user.act()
            panel.logic.cancel()
            panel.logic.endBatch()
            panel.exit()
            delete_all_results(user)
            pump(lambda user=user: left_over(user) == [], 5)
        except BaseException as error:
            error.add_note(f"user {seed}: {user.done}, left: {left_over(user)}") if hasattr(error, "add_note") else None
            raise
        panel.cleanup()
        raise_errors()
        scene.Clear(False)
        assert panel.Observations == [] and not panel.logic.isRunning and not panel.logic.isBatchRunning, user.done
        destroy_all()
        assert list(temporary_folder.iterdir()) == [] and child_processes() == before, user.done
        assert not any(scene.GetNumberOfNodesByClass(kind) for kind in ("vtkMRMLVolumeNode", "vtkMRMLTableNode"))
