"""Joins the sections of the panel into one object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from CSAFusionLib.batch.child import Row
from CSAFusionLib.errors import CSAFusionError, InputError
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.dependencies import is_installed
from CSAFusionLib.slicer_host.fusion_job import Event, FusedEvent
from CSAFusionLib.slicer_host.panel.batch_section import BatchSection
from CSAFusionLib.slicer_host.panel.request import Request, forget_node, request_from
from CSAFusionLib.slicer_host.panel.run_and_result import ResultSection, ResultStrip, RunSection, warning_of
from CSAFusionLib.slicer_host.panel.sections import (
    Fitting,
    Scrolling,
    SectionHead,
    of_fusion,
    of_inputs,
    of_outputs,
    of_registration,
    wrapping_labels,
)
from CSAFusionLib.slicer_host.panel.settings_sections import FusionSection, InputsSection, RegistrationSection
from CSAFusionLib.slicer_host.sample_data import add_example_volumes
from CSAFusionLib.worker.devices import DeviceQuestion
from CSAFusionLib.worker.job import ErrorEvent, ProgressEvent

CLOSED_SETTING = "CSAFusion/FirstStepsClosed"


class Tour:
    """Shows the first steps until the user closes them once on this computer.

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
        """Close the first steps: the user has reached a result."""
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


_SECTIONS = ("result", "inputs", "registration", "fusion", "outputs", "batch")


class Panel:
    """Shows a parameter node and the runs it starts; the file of the module keeps the life cycle.

    Args:
        ui: the widgets of ``CSAFusion.ui`` by their names.
        busy: returns the sentence that says why no run can start now; empty if one can.
        is_running: whether a run is in progress.
        is_batch_running: whether a batch is in progress.
        install: called with a method to install its package.
    """

    def __init__(
        self,
        ui: Any,
        busy: Callable[[], str],
        is_running: Callable[[], bool],
        is_batch_running: Callable[[], bool],
        install: Callable[[Method], None],
    ) -> None:
        self._busy = busy
        self._is_running = is_running
        self._is_batch_running = is_batch_running
        self._unseen: slicer.vtkMRMLVolumeNode | None = None
        self._parameters: Any = None
        self.inputs = InputsSection(ui)
        self.registration = RegistrationSection(ui, install)
        self.fusion = FusionSection(ui)
        self._scrolling = Scrolling()
        self.run = RunSection(ui, self._scrolling)
        self.batch = BatchSection(ui, self._scrolling)
        self.strip = ResultStrip(ui)
        self.result = ResultSection(ui)
        self.tour = Tour(ui, self._load_example)
        self._ui = ui
        self._heads = {name: SectionHead(getattr(ui, f"{name}CollapsibleButton")) for name in _SECTIONS}
        self._fitting = Fitting()
        for label in wrapping_labels(ui):
            label.installEventFilter(self._fitting)
        self._devices = DeviceQuestion()
        self._devices_known = False
        ui.deviceComboBox.connect("activated(int)", self._on_device)

    def show(self, parameters: Any) -> None:
        """Show a parameter node whose widgets have just been connected."""
        for section in (self.inputs, self.registration, self.fusion, self.batch):
            section.describe()
        self.inputs.end_saved_preview()
        self._parameters = parameters
        self.update()
        if self._unseen is not None:
            self._show_result(self._unseen)
            self._bring_end_into_view(self._unseen is None)

    def update(self) -> None:
        """Show what has changed in the parameter node."""
        if self._parameters is None:
            return
        for section in (self.inputs, self.registration, self.fusion, self.strip, self.result):
            section.update(self._parameters)
        self.batch.update(self._parameters, self.fusion.device, self._busy(), self._is_batch_running())
        self._summarise()
        self.run.show_ready(self._busy() or self.missing(), self._is_running())

    def release(self) -> None:
        """Release the parameter node, and restore the views."""
        self._parameters = None
        self.inputs.release()
        self.result.release()
        self.batch.release()

    def end(self) -> None:
        """Stop everything: the panel is destroyed."""
        self.release()
        self._scrolling.end()
        self._devices.end()
        self.batch.end()

    def missing(self) -> str:
        """The sentence that says why no run can start, or an empty text."""
        try:
            self.request()
        except InputError as error:
            return str(error)
        return ""

    def request(self) -> Request:
        """The request. Raises InputError if something is missing."""
        return request_from(self._parameters, self.fusion.device)

    def show_event(self, event: Event) -> None:
        """Show an event of a running fusion; a result is stored in the parameter node it was started from."""
        if isinstance(event, ProgressEvent):
            self.run.show_progress(event)
            return
        if isinstance(event, FusedEvent):
            done = _("Done: '{name}'.").format(name=event.node.GetName())
            self.run.show_end(f"{done} {warning_of(event.provenance)}".strip())
            self._show_result(event.node)
        else:
            self.run.show_end(event.message if isinstance(event, ErrorEvent) else _("Cancelled."))
        self.update()
        self._bring_end_into_view(isinstance(event, FusedEvent) and self._unseen is None)

    def node_goes(self, node: slicer.vtkMRMLNode) -> None:
        """Handle a node that is about to be removed: deselect it and say so, instead of selecting another."""
        self.result.node_goes(node)
        if self._parameters is not None:
            self.batch.node_goes(node, self._parameters)
            text = forget_node(node, self._parameters)
            # The run itself reports how it ends.
            if text and not self._is_running():
                self.run.show_end(text)

    def after_installation(self, text: str) -> None:
        """Show how an installation ended."""
        self.registration.describe()
        self.run.show_end(text)
        self.update()

    def show_batch_row(self, row: Row) -> None:
        """Show that a case of a batch has ended."""
        self.batch.show_row(row)
        self._heads["batch"].summarise(self.batch.summary)

    def show_batch_end(self, error: CSAFusionError | None) -> None:
        """Show that a batch has ended: complete, or for the reason given."""
        self.batch.show_end(error)
        self.update()

    def ask_for_devices(self) -> None:
        """Look for graphics cards in a child process, once, as soon as PyTorch is installed."""
        if not self._devices_known and not self._devices.is_open and is_installed("torch"):
            self._devices.start()

    def poll_devices(self) -> bool:
        """Show the answer once it has arrived; returns whether it is still awaited."""
        found = self._devices.poll()
        if found is not None:
            self._devices_known = True
            self.fusion.show_devices(found)
            self.update()
        return self._devices.is_open

    def _load_example(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("The example could not be made."), waitCursor=True):
            volumes = add_example_volumes()
            if self._parameters is not None:
                with slicer.util.NodeModify(self._parameters):
                    self._parameters.volumeA, self._parameters.volumeB = volumes

    def _summarise(self) -> None:
        parameters, fused = self._parameters, self._parameters.fusedVolume
        self._heads["result"].summarise("" if fused is not None else _("none yet"))
        self._heads["inputs"].summarise(of_inputs(parameters))
        self._heads["registration"].summarise(of_registration(parameters))
        self._heads["fusion"].summarise(of_fusion(parameters, self.fusion.chosen_device))
        self._heads["outputs"].summarise(of_outputs(parameters))
        self._heads["batch"].summarise(self.batch.summary)

    def _bring_end_into_view(self, fused: bool) -> None:
        """Bring into view the result and its warnings, or the sentence that says why there is none."""
        ui = self._ui
        self._scrolling.bring(
            *((ui.resultCollapsibleButton, ui.warningLabel, ui.qualityLabel) if fused else ()), ui.statusLabel
        )

    def _show_result(self, fused: slicer.vtkMRMLVolumeNode | None) -> None:
        """Show the result of a run, or keep it until its parameters are shown again."""
        if fused is not None and self._parameters is not None and self._parameters.fusedVolume is fused:
            self._unseen = None
            self.tour.close()
            self.result.show_new()
        else:
            self._unseen = fused

    def _on_device(self, index: int) -> None:
        self.update()
