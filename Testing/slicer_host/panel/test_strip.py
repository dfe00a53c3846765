"""What must be read before a result is used stands between Apply and Result."""

from __future__ import annotations

import pytest
from slicer.i18n import tr as _  # noqa: F401 (the host's stand-in is in place)

from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.slicer_host.panel.quality import warnings_of
from Testing.host.panel_states import bad, done, doubtful


def test_warnings_are_told_once():
    provenance = {
        "registration": {"verdict": {"level": "doubtful", "reason": "The volumes hardly overlap."}},
        "warnings": ["The registration is doubtful: The volumes hardly overlap.", "No weights fit this pair."],
    }
    assert warnings_of(provenance) == ["No weights fit this pair."]
    assert warnings_of({}) == warnings_of({"registration": {"verdict": None}}) == []


@pytest.mark.parametrize(("state", "count"), [(done, 0), (bad, 1), (doubtful, 3)])
def test_the_warnings_of_a_result_are_shown_each_with_a_sign(panel, state, count):
    state(panel)
    label = panel.ui.warningLabel
    assert label._qt.isHidden() == (count == 0) and label.text.count("\N{WARNING SIGN}") == count
    assert panel.ui.qualityLabel.text and not panel.ui.qualityLabel._qt.isHidden()


def test_the_strip_lies_above_result_and_goes_with_the_result(panel):
    doubtful(panel)
    column = panel.ui.verticalLayout._qt
    places = [column.indexOf(getattr(panel.ui, name)._qt) for name in ("statusLabel", "qualityLabel", "warningLabel")]
    assert [*places, column.indexOf(panel.ui.resultCollapsibleButton._qt)] == list(range(places[0], places[0] + 4))
    panel._parameterNode.fusedVolume = None
    assert panel.ui.warningLabel._qt.isHidden() and panel.ui.qualityLabel._qt.isHidden()
    assert panel.ui.agreementLabel.text == "No registration yet."


def test_markup_in_a_warning_is_text(panel):
    done(panel, Grade.GOOD, ["'<b>x</b>' was read."])
    assert "&lt;b&gt;x&lt;/b&gt;" in panel.ui.warningLabel.text
