"""The quality of a registration can be read without seeing a colour, and a bad one cannot be missed."""

from __future__ import annotations

import pytest

from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.slicer_host.nodes import write_provenance
from CSAFusionLib.slicer_host.panel.quality import agreement_of, frame_of, grade_of, quality_text, warning_of

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
