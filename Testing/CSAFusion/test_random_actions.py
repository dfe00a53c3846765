"""Fifty users who do anything in any order: no exception, and nothing is left of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import slicer

from CSAFusionLib.registration.methods import Method
from Testing.host.application import open_panel, raise_errors
from Testing.host.fixtures import pump
from Testing.host.scene import LEFT_HANDED, OBLIQUE, a_blob, a_volume_node

ACTIONS_EACH = 8


class User:
    """Someone at the panel."""

    def __init__(self, panel, seed: int) -> None:
        self.panel, self.ui = panel, panel.ui
        self.random = random.Random(seed)
        self.done: list[str] = []

    def act(self) -> None:
        names = [name for name in dir(User) if name.startswith("do_")]
        weights = [3 if name in ("do_apply", "do_choose_volumes", "do_load_volumes") else 1 for name in names]
        (name,) = self.random.choices(names, weights)
        self.done.append(name)
        getattr(self, name)()
        slicer.app.processEvents()
        raise_errors()

    def do_load_volumes(self) -> None:
        a_volume_node("F", a_blob((4, 6, 5)), OBLIQUE)
        a_volume_node("M", a_blob((5, 4, 6), seed=1), LEFT_HANDED)

    def do_choose_volumes(self) -> None:
        for selector in (self.ui.volumeASelector, self.ui.volumeBSelector):
            selector.setCurrentNode(self.random.choice([None, *selector._qt._listed]))

    def do_choose_region(self) -> None:
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "R")
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
        for name in ("previewCheckBox", "contributionCheckBox", "figuresCheckBox"):
            getattr(self.ui, name).checked = self.random.random() < 0.5

    def do_apply(self) -> None:
        self.ui.applyButton.click()

    def do_apply_and_wait(self) -> None:
        self.ui.applyButton.click()
        pump(lambda: not self.panel.logic.isRunning)

    def do_cancel(self) -> None:
        self.ui.cancelButton.click()

    def do_look(self) -> None:
        for name in ("compareButton", "checkButton", "figuresButton", "renderButton"):
            getattr(self.ui, name).click()
        self.ui.overlaySlider.value = self.random.random()

    def do_delete_an_input(self) -> None:
        for selector in (self.ui.volumeASelector, self.ui.volumeBSelector):
            if selector.currentNode() and self.random.random() < 0.5:
                slicer.mrmlScene.RemoveNode(selector.currentNode())

    def do_delete_the_result(self) -> None:
        if self.ui.fusedSelector.currentNode():
            slicer.mrmlScene.RemoveNode(self.ui.fusedSelector.currentNode())

    def do_close_the_scene(self) -> None:
        slicer.mrmlScene.Clear(False)

    def do_leave_and_come_back(self) -> None:
        self.panel.exit()
        slicer.app.processEvents()
        self.panel.enter()


def child_processes() -> list[str]:
    return [pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are counted as Linux shows them")
def test_fifty_users_leave_nothing_behind(module, scene, child_does, temporary_folder, monkeypatch):
    monkeypatch.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
    child_does("negate")
    before = child_processes()
    for seed in range(50):
        panel = open_panel(module)
        user = User(panel, seed)
        try:
            for _ in range(ACTIONS_EACH):
                user.act()
        except BaseException as error:
            error.add_note(f"user {seed}: {user.done}") if hasattr(error, "add_note") else None
            raise
        panel.cleanup()
        raise_errors()
        scene.Clear(False)
        assert panel.Observations == [] and not panel.logic.isRunning, user.done
        assert list(temporary_folder.iterdir()) == [] and child_processes() == before, user.done
        assert not any(scene.GetNumberOfNodesByClass(kind) for kind in ("vtkMRMLVolumeNode", "vtkMRMLTableNode"))
