"""What must be read before a result is used."""

from __future__ import annotations

import pytest

from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.slicer_host.nodes import write_provenance
from CSAFusionLib.slicer_host.panel.quality import (
    agreement_of,
    frame_of,
    grade_of,
    quality_text,
    report_of,
    warning_of,
    warnings_of,
)
from Testing.host.panel_states import bad, done, doubtful
from Testing.host.scene import a_blob_node

METRIC = {
    "mutual_information_before": 0.2,
    "mutual_information_after": 0.5,
    "overlap_before": 0.8,
    "overlap_after": 0.9,
    "a_new_figure_before": 1,
    "a_new_figure_after": 2,
    "jacobian_min": 0.5,
}


def assessed(level: Grade) -> dict:
    quality = {"level": level.value, "reason": "The edges <disagree>."}
    return {"registration": {"method": "SITK", "seconds": 3.25, "metric": METRIC, "verdict": quality}}


@pytest.mark.parametrize("level", Grade)
def test_a_grade_is_a_word_a_sign_and_a_reason(level):
    head, reason, *_ = quality_text(assessed(level)).split("<br/>")
    assert (
        level.value.capitalize() in head and head[3] in "\N{HEAVY CHECK MARK}\N{WARNING SIGN}\N{HEAVY MULTIPLICATION X}"
    )
    assert reason == "The edges &lt;disagree&gt;."


def test_levels_differ_in_their_sign_and_in_their_frame_beside_the_colour():
    heads = {quality_text(assessed(level))[3] for level in Grade}
    frames = {tuple(frame_of(level).split(" #")[0].split()) for level in Grade}
    assert len(heads) == len(frames) == len(Grade)
    assert all("background-color: #" in frame_of(level) and "; color: #" in frame_of(level) for level in Grade)


def test_figures_are_told_before_and_after_with_what_registered_and_how_long():
    assert agreement_of(assessed(Grade.GOOD)).split("<br/>") == [
        "SimpleITK, 3.2 s",
        "Mutual information: 0.20 before, 0.50 after",
        "Overlap of the fields of view: 0.80 before, 0.90 after",
        "A new figure: 1.00 before, 2.00 after",
    ]


@pytest.mark.parametrize(
    ("level", "method", "said"),
    [
        (Grade.GOOD, "SITK", "Automatic took SimpleITK: the fastest method whose alignment is good."),
        (Grade.DOUBTFUL, "LANDMARKS", "no alignment is good, that of Landmarks is the best."),
        (Grade.GOOD, "NONE", "Automatic left the volumes where their headers place them"),
    ],
)
def test_the_automatic_method_says_what_it_did_and_why(level, method, said):
    provenance = assessed(level)
    provenance["registration"]["method"] = method
    assert len(quality_text(provenance).split("<br/>")) == 2
    provenance["settings"] = {"registration": "AUTO"}
    assert said in quality_text(provenance).split("<br/>")[2]


def test_what_was_not_checked_has_no_level():
    unchecked = {"registration": {"method": "NONE", "seconds": 0.0, "metric": {}}}
    assert grade_of(unchecked) is None and frame_of(None) == "" and quality_text(unchecked) == ""
    assert agreement_of(unchecked) == "Already aligned, 0.0 s"
    assert grade_of({}) is None and quality_text({}) == agreement_of({}) == warning_of({}) == ""


def test_only_a_bad_alignment_is_warned_of():
    assert warning_of(assessed(Grade.BAD)) == "But the alignment is bad: The edges <disagree>."
    assert warning_of(assessed(Grade.DOUBTFUL)) == warning_of(assessed(Grade.GOOD)) == ""


def test_the_panel_shows_the_quality_of_a_result_in_its_frame(panel, volumes):
    fused = volumes[0]
    for level in Grade:
        write_provenance(fused, assessed(level))
        panel._parameterNode.fusedVolume = fused
        panel._panel.update()
        assert level.value.capitalize() in panel.ui.qualityLabel.text
        assert panel.ui.qualityLabel.styleSheet == frame_of(level)


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
