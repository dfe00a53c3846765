"""A result in a few lines, from what its node keeps of how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import slicer
from slicer.i18n import tr as _

from CSAFusionLib.slicer_host.wording import device_in_words


def report_of(fused: slicer.vtkMRMLVolumeNode, provenance: Mapping[str, Any]) -> str:
    """Rich text: the name, what went in, and what did it; the warnings stand in a strip of their own."""
    lines = [f"<b>{escape(fused.GetName())}</b>"]
    lines += [_input_line(provenance, role, name) for role, name in (("fixed", _("Fixed")), ("moving", _("Moving")))]
    if "weights" in provenance:
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
