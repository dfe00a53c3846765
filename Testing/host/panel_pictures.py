"""Takes pictures of the panel in all its states, sizes and styles: ``python -m Testing.host.panel_pictures FOLDER``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import slicer

slicer.mrmlScene = slicer.vtkMRMLScene()

from Testing.host.application import Application, load_module, open_panel, raise_errors  # noqa: E402
from Testing.host.module_panel import VIEWPORTS, ModulePanel, text_scaled  # noqa: E402
from Testing.host.panel_states import STATES, open_all  # noqa: E402
from Testing.host.pictures import cut_off, use_theme  # noqa: E402

# (name, dark, scaling of texts, with all sections open)
VARIANTS = (
    ("light", False, 1.0, False),
    ("dark", True, 1.0, False),
    ("open", False, 1.0, True),
    ("scaled-1.5", False, 1.5, False),
    ("scaled-2", False, 2.0, False),
)


def take(folder: Path, state: str, size: str, variant: tuple[str, bool, float, bool]) -> None:
    """Save one picture, and print what is cut off in it."""
    name, dark, scaling, opened = variant
    slicer.mrmlScene = slicer.vtkMRMLScene()
    with pytest.MonkeyPatch.context() as patches, text_scaled(scaling):
        patches.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
        use_theme(dark)
        panel = open_panel(load_module(patches, Application()))
        window = ModulePanel(panel, VIEWPORTS[size])
        STATES[state](panel)
        if opened:
            open_all(panel)
        for _ in range(3):
            window.settle()
            time.sleep(0.03)
        raise_errors()
        if not panel.ui.batchCollapsibleButton.collapsed:
            window.ensureWidgetVisible(panel.ui.batchCollapsibleButton._qt)
        window.take_picture(folder / f"{state}-{name}-{size}.png")
        print(state, name, size, "cut off:", cut_off(panel))
        window.close_panel()
        panel.cleanup()
        slicer.app.end()


def main(folder: Path) -> None:
    """Save all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for state in STATES:
        for size in VIEWPORTS:
            for variant in VARIANTS:
                take(folder, state, size, variant)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
