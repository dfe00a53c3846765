"""What must be read before a result is used: the verdict on its alignment, and its warnings."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from slicer.i18n import tr as _

from CSAFusionLib.slicer_host.panel.verdict import agreement_of, frame_of, level_of, verdict_of
from CSAFusionLib.slicer_host.panel.widgets import say
from CSAFusionLib.slicer_host.provenance import provenance_of

_SIGN = "\N{WARNING SIGN}"
_STYLE = "border: 2px solid #c98a00; padding: 4px; background-color: #fff3cd; color: #4d3800;"


class ResultStrip:
    """Two framed texts between Apply and the section Result."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        ui.warningLabel.styleSheet = _STYLE

    def update(self, parameters: Any) -> None:
        """Show what a parameter node holds a result with."""
        provenance = provenance_of(parameters.fusedVolume) if parameters.fusedVolume is not None else {}
        self._ui.verdictLabel.styleSheet = frame_of(level_of(provenance))
        say(self._ui.verdictLabel, verdict_of(provenance))
        say(self._ui.warningLabel, "<br/>".join(f"{_SIGN} {escape(text)}" for text in warnings_of(provenance)))
        say(self._ui.agreementLabel, agreement_of(provenance) or _("No registration yet."))


def warnings_of(provenance: Mapping[str, Any]) -> list[str]:
    """The warnings of a result, less what its verdict says already."""
    verdict = provenance.get("registration", {}).get("verdict")
    told = verdict["reason"] if verdict else None
    return [text for text in provenance.get("warnings", []) if told is None or told not in text]
