"""The section Result: a short report, and the ways to look at what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CSAFusionLib.files.whole import content_writer, write_whole
from CSAFusionLib.json_text import to_json
from CSAFusionLib.slicer_host.checkerboard import add_checkerboard, remove_checkerboard
from CSAFusionLib.slicer_host.comparison import Comparison
from CSAFusionLib.slicer_host.figures_view import FiguresView
from CSAFusionLib.slicer_host.panel.report import report_of
from CSAFusionLib.slicer_host.panel.widgets import say
from CSAFusionLib.slicer_host.provenance import provenance_of
from CSAFusionLib.slicer_host.rendering import render_fused
from CSAFusionLib.slicer_host.writing import FIXED_ROLE


class ResultSection:
    """Shows the result that a parameter node holds, also one that came with a saved scene."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._parameters: Any = None
        self._comparison = Comparison()
        self._checkerboard: slicer.vtkMRMLScalarVolumeNode | None = None
        self._figures = FiguresView()
        ui.compareButton.connect("toggled(bool)", self._on_compare)
        ui.checkButton.connect("toggled(bool)", self._on_check)
        ui.renderButton.connect("clicked(bool)", self._on_render)
        ui.overlaySlider.connect("valueChanged(double)", self._on_overlay)
        ui.figuresButton.connect("toggled(bool)", self._on_figures)
        ui.saveButton.connect("clicked(bool)", self._on_save)

    def update(self, parameters: Any) -> None:
        """Show a parameter node."""
        self._parameters = parameters
        fused = parameters.fusedVolume
        provenance = provenance_of(fused) if fused is not None else {}
        say(self._ui.reportLabel, report_of(fused, provenance) if provenance else _("No result yet."))
        for widget in (self._ui.saveButton, self._ui.overlaySlider, self._ui.renderButton):
            widget.enabled = bool(provenance)
        for button in (self._ui.compareButton, self._ui.checkButton):
            button.enabled = bool(provenance) and parameters.registeredVolume is not None
        self._ui.figuresButton.enabled = bool(provenance) and parameters.figuresTable is not None

    def show_new(self) -> None:
        """A run has just put its result into the scene: show it."""
        self._ui.resultCollapsibleButton.collapsed = False
        if self._ui.compareButton.checked:
            self._on_compare(True)
        elif self._ui.checkButton.checked:
            self._on_check(True)
        else:
            slicer.util.setSliceViewerLayers(
                background=self._fixed(), foreground=self._parameters.fusedVolume, foregroundOpacity=1.0, fit=True
            )
            self._ui.overlaySlider.value = 1.0

    def release(self) -> None:
        """Give the layout back and let go of the scene."""
        self._parameters = None
        for button in (self._ui.compareButton, self._ui.checkButton, self._ui.figuresButton):
            button.checked = False
        self._figures.end()

    def _fixed(self) -> slicer.vtkMRMLVolumeNode | None:
        return self._parameters.fusedVolume.GetNodeReference(FIXED_ROLE)

    def _on_compare(self, checked: bool) -> None:
        if checked and self._parameters is not None:
            self._leave_others(self._ui.compareButton)
            self._compare_with(self._parameters.fusedVolume)
        else:
            self._comparison.end()

    def _on_check(self, checked: bool) -> None:
        if self._checkerboard is not None:
            remove_checkerboard(self._checkerboard)
            self._checkerboard = None
        if checked and self._parameters is not None and self._fixed() is not None:
            self._leave_others(self._ui.checkButton)
            self._checkerboard = add_checkerboard(self._fixed(), self._parameters.registeredVolume)
            self._compare_with(self._checkerboard)
        else:
            self._comparison.end()

    def _compare_with(self, last: slicer.vtkMRMLVolumeNode) -> None:
        self._comparison.show(self._fixed(), self._parameters.registeredVolume, last)
        self._ui.overlaySlider.value = 0.5

    def _leave_others(self, button: Any) -> None:
        """Views show one thing at a time."""
        for other in (self._ui.compareButton, self._ui.checkButton, self._ui.figuresButton):
            if other is not button:
                other.checked = False

    def _on_figures(self, checked: bool) -> None:
        if checked and self._parameters is not None:
            self._leave_others(self._ui.figuresButton)
            self._figures.show(self._parameters.figuresTable)
        else:
            self._figures.end()

    def _on_render(self, checked: bool = False) -> None:
        render_fused(self._parameters.fusedVolume)

    def _on_overlay(self, opacity: float) -> None:
        slicer.util.setSliceViewerLayers(foregroundOpacity=opacity)

    def _on_save(self, checked: bool = False) -> None:
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Save how the result was made"), "fusion.json", "JSON (*.json)"
        )
        if path:
            with slicer.util.tryWithErrorDisplay(_("The file could not be written.")):
                _save(provenance_of(self._parameters.fusedVolume), Path(path))


def _save(provenance: dict[str, Any], path: Path) -> None:
    write_whole({path: content_writer(to_json(provenance, indent=2) + "\n")})
