"""Takes the pictures of the tutorial: ``python -m Testing.host.tutorial Resources/Screenshots``.

The panel does what the tutorial tells, with the weights that ship, on the example volumes: no picture shows a patient.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import slicer

slicer.mrmlScene = slicer.vtkMRMLScene()

from Testing.host.application import Application, load_module, open_panel, raise_errors  # noqa: E402
from Testing.host.fixtures import pump  # noqa: E402
from Testing.host.module_panel import VIEWPORTS, ModulePanel  # noqa: E402
from Testing.host.pictures import use_theme  # noqa: E402

MR_AND_PET = 2
LAPTOP, DESKTOP = VIEWPORTS["1024x768"], VIEWPORTS["1580x1150"]


def main(folder: Path) -> None:
    """Do the tutorial, and save a picture after each step."""
    with pytest.MonkeyPatch.context() as patches:
        use_theme(False)
        panel = open_panel(load_module(patches, Application()))
        window = ModulePanel(panel, LAPTOP)
        pump(lambda: panel._panel._devices_known)
        window.take_picture(folder / "tutorial-first.png")
        panel.ui.exampleButton.click()
        panel.ui.presetComboBox.activated(MR_AND_PET)
        window.take_picture(folder / "tutorial-inputs.png")
        panel.ui.applyButton.click()
        pump(lambda: "left" in panel.ui.statusLabel.text and "Fusing" in panel.ui.statusLabel.text, 500)
        window.take_picture(folder / "tutorial-run.png")
        pump(lambda: not panel.logic.isRunning, 500)
        _let_scroll(window)
        window.take_picture(folder / "tutorial-result.png")
        _take_on_desktop(panel, window, folder)
        panel.cleanup()
        slicer.app.end()


def _take_on_desktop(panel, window: ModulePanel, folder: Path) -> None:
    """The panel as a whole, in both styles, and with two of its sections open."""
    window.settle(DESKTOP)
    for name, dark in (("panel.png", False), ("panel-dark.png", True)):
        use_theme(dark)
        window.take_picture(folder / name)
    use_theme(False)
    for section in ("registration", "fusion"):
        getattr(panel.ui, f"{section}CollapsibleButton").collapsed = False
    window.settle()
    window.ensureWidgetVisible(panel.ui.fusionCollapsibleButton._qt)
    window.take_picture(folder / "tutorial-sections.png")


def _let_scroll(window: ModulePanel) -> None:
    for _ in range(3):
        window.settle()
        time.sleep(0.1)
    raise_errors()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
