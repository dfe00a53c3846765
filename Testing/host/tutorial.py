"""Takes the pictures of the tutorial: ``python -m Testing.host.tutorial Resources/Screenshots``.

The panel does what the tutorial tells, with the weights that ship, on the example volumes: no picture shows a patient.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import slicer

slicer.mrmlScene = slicer.vtkMRMLScene()

import Testing.host.application  # noqa: E402, F401 (makes qt)
from CSAFusionLib.slicer_host.panel.choices import BatchSource  # noqa: E402
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node  # noqa: E402
from CSAFusionLib.volumes.writing import write_volume  # noqa: E402
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
    for section in ("registration", "fusion", "result"):
        getattr(panel.ui, f"{section}CollapsibleButton").collapsed = True
    _take_batch(panel, window, folder)


def _take_batch(panel, window: ModulePanel, folder: Path) -> None:
    """A batch of three pairs of files: two of the example, and one that cannot be read."""
    parameters = panel._parameterNode
    with TemporaryDirectory() as place:
        paths = {side: Path(place) / kind for side, kind in (("A", "t1"), ("B", "pet"))}
        for side, path in paths.items():
            path.mkdir()
            for name in ("visit-1", "visit-2"):
                write_volume(volume_from_node(getattr(parameters, f"volume{side}")).image, path / f"{name}.nii.gz")
            (path / "visit-3.nii.gz").write_bytes(b"")
        panel.ui.batchCollapsibleButton.collapsed = False
        parameters.batchSource = BatchSource.FOLDERS
        parameters.batchFixedFolder, parameters.batchMovingFolder = paths["A"], paths["B"]
        parameters.batchFolder = Path(place) / "fused"
        panel.ui.batchStartButton.click()
        pump(lambda: not panel.logic.isBatchRunning, 500)
        panel.ui.batchCasesTable.selectRow(2)
        _let_scroll(window)
        window.ensureWidgetVisible(panel.ui.batchPageButton._qt)
        # The folders of this computer say nothing to a reader.
        for name in ("FixedFolder", "MovingFolder", "Folder"):
            line = getattr(panel.ui, f"batch{name}PathLineEdit")
            line._qt._line.blockSignals(True)
            line._qt._line.setText(f"/data/{Path(line.currentPath).name}")
        table = panel._panel.batch._table
        for row in table.ended:
            table.show_end(replace(row, reason=row.reason.replace(place, "/data")))
        window.take_picture(folder / "tutorial-batch.png")


def _let_scroll(window: ModulePanel) -> None:
    for _ in range(3):
        window.settle()
        time.sleep(0.1)
    raise_errors()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
