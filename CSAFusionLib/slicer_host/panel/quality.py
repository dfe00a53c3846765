"""What must be read before a result is used: the quality of its alignment, its warnings, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import slicer
from slicer.i18n import tr as _

from CSAFusionLib.registration.methods import Method
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.slicer_host.nodes import provenance_of
from CSAFusionLib.slicer_host.panel.choices import StyleChoice
from CSAFusionLib.slicer_host.panel.sections import say
from CSAFusionLib.slicer_host.wording import device_in_words, title_of

_HEADS = {
    Grade.GOOD: _("\N{HEAVY CHECK MARK} Good alignment"),
    Grade.DOUBTFUL: _("\N{WARNING SIGN} Doubtful alignment: look before you trust it"),
    Grade.BAD: _("\N{HEAVY MULTIPLICATION X} Bad alignment: do not use this result"),
}
# Dark on light, so that they can be read in Slicer's light and dark styles, also when one is changed for the other.
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
    """Rich text: the grade, its reason, and what the automatic method made of it; empty where nothing was assessed."""
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
    """Rich text: what registered in which time, and how well the volumes agree before and after."""
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
    """The warnings of a result, less what its quality says already."""
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
