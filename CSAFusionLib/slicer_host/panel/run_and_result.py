"""The sections Run (Apply, Cancel, progress, time left) and Result (a short report, and ways to look at the result).

The report starts with what must be read before a result is used: the quality of its alignment, and its warnings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CSAFusionLib.files.atomic_write import atomic_write, content_writer
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.slicer_host.nodes import provenance_of
from CSAFusionLib.slicer_host.panel.choices import StyleChoice
from CSAFusionLib.slicer_host.panel.sections import Scrolling, say
from CSAFusionLib.slicer_host.views import (
    Comparison,
    SliceTableView,
    add_checkerboard,
    are_on_one_grid,
    composites,
    remove_checkerboard,
)
from CSAFusionLib.slicer_host.volume_nodes import FIXED_ROLE, render_fused
from CSAFusionLib.slicer_host.wording import device_in_words, stage_in_words, title_of
from CSAFusionLib.text import to_json
from CSAFusionLib.worker.job import ProgressEvent


class TimeLeft:
    """An estimate from the steps since the stage began.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage = ""
        self._began = (0.0, 0)

    def after(self, stage: str, done: int, total: int) -> float | None:
        """Seconds left when ``done`` of ``total`` steps are over, or None while that cannot be known."""
        now = self._clock()
        if stage != self._stage or done < self._began[1]:
            self._stage, self._began = stage, (now, done)
        steps = done - self._began[1]
        if steps <= 0 or total <= 0:
            return None
        return (now - self._began[0]) / steps * max(0, total - done)


def in_words(seconds: float) -> str:
    """A duration in words: ``40 s``, ``3 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds, -1) if seconds > 20 else round(seconds)):.0f} s"
    return f"{seconds / 60:.0f} min"


class RunSection:
    """Shows whether a run can start, and the running one.

    Args:
        scrolling: brings a run that starts into view.
    """

    def __init__(self, ui: Any, scrolling: Scrolling) -> None:
        self._ui = ui
        self._scrolling = scrolling
        self._time_left = TimeLeft()
        ui.progressBar.visible = False
        self._say("")

    def show_ready(self, missing: str, running: bool) -> None:
        """Let Apply be pressed, or say what is missing for it."""
        self._ui.applyButton.enabled = not missing
        self._ui.applyButton.toolTip = missing or _("Align the two volumes and fuse them.")
        self._ui.cancelButton.enabled = running
        say(self._ui.missingLabel, "" if running else missing)

    def show_start(self) -> None:
        """A run has been started."""
        self._time_left = TimeLeft()
        self.show_wait(_("Starting..."))

    def show_wait(self, text: str) -> None:
        """Show that something runs whose duration is unknown."""
        self._say(text)
        self._show_bar(0, 0)
        self._scrolling.bring(self._ui.applyButton, self._ui.progressBar, self._ui.statusLabel)

    def show_progress(self, event: ProgressEvent) -> None:
        """The stage, the count of its steps and the time left."""
        text = stage_in_words(event.stage)
        if event.total:
            text = _("{stage}: {done} of {total}").format(stage=text, done=event.done, total=event.total)
        left = self._time_left.after(event.stage, event.done, event.total)
        if left:
            text = _("{text}, about {left} left").format(text=text, left=in_words(left))
        self._say(text)
        self._show_bar(event.done, event.total)

    def show_end(self, text: str) -> None:
        """Show that the run has ended, for the reason given."""
        self._say(text)
        self._ui.progressBar.visible = False

    def _say(self, text: str) -> None:
        say(self._ui.statusLabel, text)

    def _show_bar(self, done: int, total: int) -> None:
        self._ui.progressBar.visible = True
        self._ui.progressBar.maximum = total
        self._ui.progressBar.value = done


class ResultSection:
    """Shows the result that a parameter node holds, also one that came with a saved scene."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._parameters: Any = None
        self._comparison = Comparison(self._release_views)
        self._slice_table = SliceTableView(self._release_views)
        self._checkerboard: slicer.vtkMRMLScalarVolumeNode | None = None
        self._shown: list[slicer.vtkMRMLNode | None] = []
        self._follows = False
        ui.compareButton.connect("toggled(bool)", self._on_compare)
        ui.checkButton.connect("toggled(bool)", self._on_check)
        ui.renderButton.connect("clicked(bool)", self._on_render)
        ui.overlaySlider.connect("valueChanged(double)", self._on_overlay)
        ui.sliceTableButton.connect("toggled(bool)", self._on_slice_table)
        ui.saveButton.connect("clicked(bool)", self._on_save)

    def update(self, parameters: Any) -> None:
        """Show a parameter node."""
        self._parameters = parameters
        fused = parameters.fusedVolume
        provenance = provenance_of(fused) if fused is not None else {}
        say(self._ui.reportLabel, report_of(fused, provenance) if provenance else _("No result yet."))
        for widget in (self._ui.saveButton, self._ui.overlaySlider, self._ui.renderButton):
            widget.enabled = bool(provenance)
        can_compare = bool(provenance) and parameters.registeredVolume is not None
        self._ui.compareButton.enabled = can_compare
        self._ui.checkButton.enabled = can_compare and are_on_one_grid(self._fixed(), parameters.registeredVolume)
        self._ui.sliceTableButton.enabled = bool(provenance) and parameters.sliceTable is not None
        if self._is_stale():
            # Deferred: this call may come from the removal of a node.
            qt.QTimer.singleShot(0, self._show_again)

    def node_goes(self, node: slicer.vtkMRMLNode) -> None:
        """Stop showing a node that is about to be removed."""
        if node in self._shown:
            self._comparison.let_go()
            qt.QTimer.singleShot(0, self._show_again)
        elif self._comparison.has(node):
            qt.QTimer.singleShot(0, self._release_views)

    def show_new(self) -> None:
        """Show the result that a run has just put into the scene."""
        self._ui.resultCollapsibleButton.collapsed = False
        if self._ui.compareButton.checked:
            self._on_compare(True)
        elif self._ui.checkButton.checked:
            self._on_check(True)
        else:
            slicer.util.setSliceViewerLayers(
                background=self._fixed(), foreground=self._fused(), foregroundOpacity=1.0, fit=True
            )
            self._follow_opacity(1.0)

    def release(self) -> None:
        """Restore the views and release the scene."""
        self._parameters = None
        self._release_views()

    def _fused(self) -> slicer.vtkMRMLVolumeNode | None:
        return self._parameters.fusedVolume if self._parameters is not None else None

    def _fixed(self) -> slicer.vtkMRMLVolumeNode | None:
        fused = self._fused()
        return fused.GetNodeReference(FIXED_ROLE) if fused is not None else None

    def _view_buttons(self) -> tuple[Any, ...]:
        return self._ui.compareButton, self._ui.checkButton, self._ui.sliceTableButton

    def _release_views(self) -> None:
        """Restore the views and release the buttons."""
        for button in self._view_buttons():
            button.checked = False

    def _wanted(self) -> list[slicer.vtkMRMLNode | None]:
        """The nodes that the pressed button shows; empty for none."""
        if self._parameters is None or not any(button.checked for button in self._view_buttons()):
            return []
        if self._ui.sliceTableButton.checked:
            return [self._parameters.sliceTable]
        return [self._fixed(), self._parameters.registeredVolume, self._fused()]

    def _is_stale(self) -> bool:
        """Whether the views no longer match the pressed button, or the button is no longer usable."""
        grey = any(button.checked and not button.enabled for button in self._view_buttons())
        gone = any(node is not None and not slicer.mrmlScene.IsNodePresent(node) for node in self._shown)
        return grey or gone or self._wanted() != self._shown

    def _show_again(self) -> None:
        if not self._is_stale():
            return
        if self._parameters is not None:
            # Which buttons are enabled may depend on the removed node.
            self.update(self._parameters)
        pressed = [button for button in self._view_buttons() if button.checked]
        self._release_views()
        for button in pressed:
            button.checked = bool(button.enabled)

    def _on_compare(self, checked: bool) -> None:
        if checked and self._can_show(self._ui.compareButton):
            self._comparison.show(self._fixed(), self._parameters.registeredVolume, self._fused())
            self._follow_opacity(0.5)
        elif not checked:
            self._end_comparison()

    def _on_check(self, checked: bool) -> None:
        old, self._checkerboard = self._checkerboard, None
        if checked and self._can_show(self._ui.checkButton):
            self._checkerboard = add_checkerboard(self._fixed(), self._parameters.registeredVolume)
            self._comparison.show(self._fixed(), self._parameters.registeredVolume, self._checkerboard)
            self._follow_opacity(0.5)
        elif not checked:
            self._end_comparison()
        if old is not None:
            remove_checkerboard(old)

    def _on_slice_table(self, checked: bool) -> None:
        if checked and self._can_show(self._ui.sliceTableButton):
            self._slice_table.show(self._parameters.sliceTable)
        elif not checked:
            self._slice_table.end()
            self._shown = []

    def _can_show(self, button: Any) -> bool:
        """Return whether the button has something to show, which then replaces other views; otherwise release it."""
        for other in self._view_buttons():
            if other is not button:
                other.checked = False
        if self._parameters is not None:
            self.update(self._parameters)
        if self._parameters is None or not button.enabled:
            button.checked = False
            return False
        self._shown = self._wanted()
        return True

    def _end_comparison(self) -> None:
        self._comparison.end()
        self._shown = []
        views = composites()
        if views:
            self._follow_opacity(views[0].GetForegroundOpacity())

    def _on_render(self, checked: bool = False) -> None:
        fused = self._fused()
        if fused is not None:
            render_fused(fused)

    def _follow_opacity(self, opacity: float) -> None:
        """Let the slider show an opacity that the views already have."""
        self._follows = True
        self._ui.overlaySlider.value = opacity
        self._follows = False

    def _on_overlay(self, opacity: float) -> None:
        if self._follows:
            return
        if self._comparison.is_shown:
            self._comparison.set_opacity(opacity)
        else:
            slicer.util.setSliceViewerLayers(foregroundOpacity=opacity)

    def _on_save(self, checked: bool = False) -> None:
        fused = self._fused()
        if fused is None:
            return
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Save how the result was made"), "fusion.json", "JSON (*.json)"
        )
        if path:
            with slicer.util.tryWithErrorDisplay(_("The file could not be written.")):
                _save(provenance_of(fused), Path(path))


def _save(provenance: dict[str, Any], path: Path) -> None:
    atomic_write({path: content_writer(to_json(provenance, indent=2) + "\n")})


_HEADS = {
    Grade.GOOD: _("\N{HEAVY CHECK MARK} Good alignment"),
    Grade.DOUBTFUL: _("\N{WARNING SIGN} Doubtful alignment: look before you trust it"),
    Grade.BAD: _("\N{HEAVY MULTIPLICATION X} Bad alignment: do not use this result"),
}
# Dark on light, so that they stay readable in Slicer's light and dark styles, and when the style changes.
_FRAMES = {
    Grade.GOOD: "border: 1px solid #2e8b57; padding: 4px; background-color: #e3f4e8; color: #0f3d22;",
    Grade.DOUBTFUL: "border: 2px dashed #c98a00; padding: 4px; background-color: #fff3cd; color: #4d3800;",
    Grade.BAD: "border: 3px solid #c0392b; padding: 6px; background-color: #fbdcd8; color: #5c120a;",
}
_METRICS = {
    "mutual_information": _("Mutual information"),
    "correlation": _("Correlation"),
    "ssim": _("Structural similarity"),
    "overlap": _("Overlap of the fields of view"),
}


def grade_of(provenance: Mapping[str, Any]) -> Grade | None:
    """The grade of a result's registration; None where it was not assessed."""
    quality = provenance.get("registration", {}).get("verdict")
    return Grade(quality["level"]) if quality else None


def frame_of(grade: Grade | None) -> str:
    """The style of the label that shows a grade."""
    return _FRAMES[grade] if grade else ""


def quality_text(provenance: Mapping[str, Any]) -> str:
    """Rich text: the grade, its reason, and what the automatic method did; empty if nothing was assessed."""
    grade = grade_of(provenance)
    if grade is None:
        return ""
    reason = escape(provenance["registration"]["verdict"]["reason"])
    return "<br/>".join(filter(None, [f"<b>{_HEADS[grade]}</b>", reason, automatic_choice(provenance)]))


def automatic_choice(provenance: Mapping[str, Any]) -> str:
    """What the automatic method did and why, in one sentence; empty where a method was chosen."""
    if provenance.get("settings", {}).get("registration") != Method.AUTO.name:
        return ""
    method = Method[provenance["registration"]["method"]]
    if method is Method.NONE:
        return _("Automatic left the volumes where their headers place them: no method matches them clearly better.")
    title = title_of(method)
    if grade_of(provenance) is Grade.GOOD:
        return _("Automatic took {method}: the fastest method whose alignment is good.").format(method=title)
    text = _("Automatic tried every method that is installed; no alignment is good, that of {method} is the best.")
    return text.format(method=title)


def agreement_of(provenance: Mapping[str, Any]) -> str:
    """Rich text: the method, its time, and how well the volumes agree before and after."""
    registration = provenance.get("registration")
    if not registration:
        return ""
    method = title_of(Method[registration["method"]])
    lines = [_("{method}, {seconds:.1f} s").format(method=method, seconds=registration["seconds"])]
    lines += [_metric_line(name, registration["metric"]) for name in _compared(registration["metric"])]
    return "<br/>".join(lines)


def warning_of(provenance: Mapping[str, Any]) -> str:
    """The sentence to add at the end of a run; empty unless the alignment is bad."""
    if grade_of(provenance) is not Grade.BAD:
        return ""
    return _("But the alignment is bad: {reason}").format(reason=provenance["registration"]["verdict"]["reason"])


def _compared(metric: Mapping[str, float]) -> list[str]:
    """The metrics known both before and after."""
    names = [name.removesuffix("_before") for name in metric if name.endswith("_before")]
    return [name for name in names if f"{name}_after" in metric]


def _metric_line(name: str, metric: Mapping[str, float]) -> str:
    title = _METRICS.get(name, name.replace("_", " ").capitalize())
    before, after = (f"{metric[f'{name}_{when}']:.2f}" for when in ("before", "after"))
    return _("{metric}: {before} before, {after} after").format(metric=title, before=before, after=after)


_SIGN = "\N{WARNING SIGN}"
_STYLE = "border: 2px solid #c98a00; padding: 4px; background-color: #fff3cd; color: #4d3800;"


class ResultStrip:
    """Two framed texts between Apply and the section Result."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        ui.warningLabel.styleSheet = _STYLE

    def update(self, parameters: Any) -> None:
        """Show the quality and warnings of a parameter node's result."""
        provenance = provenance_of(parameters.fusedVolume) if parameters.fusedVolume is not None else {}
        self._ui.qualityLabel.styleSheet = frame_of(grade_of(provenance))
        say(self._ui.qualityLabel, quality_text(provenance))
        say(self._ui.warningLabel, "<br/>".join(f"{_SIGN} {escape(text)}" for text in warnings_of(provenance)))
        say(self._ui.agreementLabel, agreement_of(provenance) or _("No registration yet."))


def warnings_of(provenance: Mapping[str, Any]) -> list[str]:
    """The warnings of a result, without those that its quality already states."""
    quality = provenance.get("registration", {}).get("verdict")
    told = quality["reason"] if quality else None
    return [text for text in provenance.get("warnings", []) if told is None or told not in text]


def report_of(fused: slicer.vtkMRMLVolumeNode, provenance: Mapping[str, Any]) -> str:
    """Rich text: the name, the inputs, the device and the weights; a strip of its own shows the warnings."""
    lines = [f"<b>{escape(fused.GetName())}</b>"]
    lines += [_input_line(provenance, role, name) for role, name in (("fixed", _("Fixed")), ("moving", _("Moving")))]
    style = provenance.get("settings", {}).get("style", StyleChoice.FUSED.name)
    if style != StyleChoice.FUSED.name:
        title = StyleChoice[style].title if style in StyleChoice.__members__ else style
        lines.append(_("{style}: made without the network.").format(style=title))
    elif "weights" in provenance:
        lines.append(
            _("Weights {weights}, on {device}.").format(
                weights=escape(str(provenance["weights"]["name"])),
                device=escape(device_in_words(provenance["device"]["name"], provenance["device"]["reason"])),
            )
        )
    lines.append(f"<i>{escape(provenance.get('notice', ''))}</i>")
    return "<br/>".join(line for line in lines if line)


def _input_line(provenance: Mapping[str, Any], role: str, title: str) -> str:
    if role not in provenance:
        return ""
    described = provenance[role]
    text = _("{role}: {modality}").format(role=title, modality=described["modality"])
    if described["modality_is_guessed"]:
        text += _(" (guessed)")
    if "black" in described:
        text += _(", {black:.4g} to {white:.4g}").format(black=described["black"], white=described["white"])
        text += f" {escape(described['unit'])}" if described.get("unit") else ""
    return text
