"""The first steps: five lines at the top of the panel until they are closed, and a button that brings them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer.util

CLOSED_SETTING = "CSAFusion/FirstStepsClosed"


class Tour:
    """Shows the first steps on a computer where nobody has closed them yet.

    Args:
        load_example: called to add the example volumes to the scene.
    """

    def __init__(self, ui: Any, load_example: Callable[[], None]) -> None:
        self._ui = ui
        self._load_example = load_example
        ui.exampleButton.connect("clicked(bool)", self._on_example)
        ui.tourCloseButton.connect("clicked(bool)", self._on_close)
        ui.tourButton.connect("clicked(bool)", self._on_show)
        self._show(not slicer.util.settingsValue(CLOSED_SETTING, False, converter=slicer.util.toBool))

    def close(self) -> None:
        """They have served: somebody has come to a result."""
        if not self._ui.tourWidget.isHidden():
            self._on_close()

    def _on_example(self, checked: bool = False) -> None:
        self._load_example()

    def _on_close(self, checked: bool = False) -> None:
        qt.QSettings().setValue(CLOSED_SETTING, True)
        self._show(False)

    def _on_show(self, checked: bool = False) -> None:
        self._show(True)

    def _show(self, shown: bool) -> None:
        self._ui.tourWidget.visible = shown
        self._ui.tourButton.visible = not shown
