"""Takes the pictures of the README's tutorial: ``python -m Testing.host.tutorial Resources/Screenshots``.

The panel does what the tutorial tells, with the weights that ship, on a phantom: no picture shows a patient.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import slicer

slicer.mrmlScene = slicer.vtkMRMLScene()

from Testing.host.application import Application, load_module, open_panel, raise_errors  # noqa: E402
from Testing.host.fixtures import pump  # noqa: E402
from Testing.host.pictures import take_picture  # noqa: E402
from Testing.host.scene import a_volume_node, rotation  # noqa: E402

# Radii in mm of head, skull, brain and ventricles, and what CT and MR show of what lies between them.
_RADII = (78, 72, 65, 20)
_CT = (-1000, 30, 900, 35, 5)
_MR = (0, 420, 40, 300, 90)
_SIZE = (48, 80, 80)
_CT_TO_RAS = np.array([[-2.2, 0, 0, 88], [0, -2.2, 0, 88], [0, 0, 3.5, -84], [0, 0, 0, 1.0]])
_MR_TO_RAS = np.array([[-2.0, 0, 0, 80], [0, -2.0, 0, 80], [0, 0, 3.5, -84], [0, 0, 0, 1.0]])
_MOVED = rotation(7, (6, -9, 4), axis=0)


def a_phantom(values: tuple[int, ...], to_ras: np.ndarray, noise: float) -> np.ndarray:
    """A lopsided egg in an egg in an egg, as a scanner with a grid sees it: (K, J, I)."""
    k, j, i = np.indices(_SIZE)
    points = np.stack([i, j, k, np.ones_like(i)], axis=-1) @ to_ras.T
    off_centre = points[..., :3] - (4, 10, 0)
    right, front, up, _ = np.moveaxis(points, -1, 0)
    sides = (0.8 + 0.0022 * front, 1.0 + 0.0012 * up, 0.9 - 0.0014 * right)
    radius = np.sqrt(sum((axis / side) ** 2 for axis, side in zip((right, front, up), sides, strict=True)))
    folds = np.sin(right / 6 + front**2 / 900) * np.sin(front / 7) * np.sin(up / 8)
    image = np.full(_SIZE, values[0], float)
    for size, value in zip(_RADII[:3], values[1:4], strict=True):
        image[radius < size] = value
    image[np.linalg.norm(off_centre / (0.7, 1.3, 1.0), axis=-1) < _RADII[3]] = values[4]
    image[(radius < _RADII[2]) & (folds > 0.33)] += values[3] / 4
    return (image + np.random.default_rng(0).normal(0, noise, _SIZE)).astype(np.int16)


def main(folder: Path) -> None:
    """Do the tutorial, and save a picture after each step."""
    a_volume_node("CT phantom", a_phantom(_CT, _CT_TO_RAS, 8), _CT_TO_RAS)
    a_volume_node("MR phantom", a_phantom(_MR, _MOVED @ _MR_TO_RAS, 6), _MR_TO_RAS)
    with pytest.MonkeyPatch.context() as patches:
        panel = open_panel(load_module(patches, Application()))
        pump(lambda: panel._panel._devices_known)
        panel.ui.presetComboBox.activated(1)
        panel.ui.previewCheckBox.checked = True
        take_picture(panel, folder / "tutorial-inputs.png", section="inputs")
        take_picture(panel, folder / "tutorial-registration.png", section="registration")
        panel.ui.applyButton.click()
        pump(lambda: "left" in panel.ui.statusLabel.text and "Fusing" in panel.ui.statusLabel.text, 500)
        take_picture(panel, folder / "tutorial-run.png", section="run")
        panel.ui.inputsCollapsibleButton.collapsed = True
        take_picture(panel, folder / "panel-running.png")
        pump(lambda: not panel.logic.isRunning, 500)
        raise_errors()
        take_picture(panel, folder / "tutorial-verdict.png", section="registration")
        take_picture(panel, folder / "tutorial-result.png", section="result")
        take_picture(panel, folder / "panel.png")
        panel.cleanup()
        slicer.app.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
