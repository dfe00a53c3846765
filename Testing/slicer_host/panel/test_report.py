"""CSAFusionLib.slicer_host.panel.quality"""

from __future__ import annotations

from CSAFusionLib.slicer_host.panel.quality import report_of
from Testing.host.scene import a_blob_node

PROVENANCE = {
    "notice": "Research use only, not for diagnosis.",
    "fixed": {"modality": "CT", "modality_is_guessed": True, "black": -50.0, "white": 250.0},
    "moving": {"modality": "MR", "modality_is_guessed": False},
    "weights": {"name": "ct-mr"},
    "device": {"name": "cpu", "reason": "asked for"},
    "warnings": ["<b>beware</b>"],
}


def test_the_report_says_what_went_in_and_what_did_it():
    text = report_of(a_blob_node("<F>"), PROVENANCE)
    device = "Weights ct-mr, on the processor (CPU): it was chosen."
    for part in ("&lt;F&gt;", "Fixed: CT (guessed), -50 to 250", "Moving: MR<br/>", device):
        assert part in text
    assert "beware" not in text and "not for diagnosis" in text
