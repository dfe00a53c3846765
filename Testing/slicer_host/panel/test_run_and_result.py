"""The sections Run and Result: the report, its warnings, and the ways to look at the result."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import slicer.util

import Testing.host.application  # noqa: F401 (makes qt)
from CSAFusionLib.registration.quality.grading import Grade
from CSAFusionLib.slicer_host.nodes import SLICE_TABLE, write_provenance
from CSAFusionLib.slicer_host.panel.run_and_result import (
    TimeLeft,
    agreement_of,
    frame_of,
    grade_of,
    in_words,
    quality_text,
    report_of,
    warning_of,
    warnings_of,
)
from CSAFusionLib.slicer_host.slice_table import chart_of, write_slice_table
from CSAFusionLib.slicer_host.views import LAYOUT, composites, own_composites
from CSAFusionLib.slicer_host.volume_nodes import volume_from_node, write_fused
from Testing.host.application import raise_errors
from Testing.host.fixtures import pump
from Testing.host.panel_states import bad, done, doubtful
from Testing.host.scene import OBLIQUE, a_blob_node, a_volume_node

BUTTONS = ("compareButton", "checkButton", "sliceTableButton")
SLICE_TABLE_LAYOUT = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView


def a_table(volumes, name: str = "figures"):
    names = ("ssim_fixed", "ssim_moving", "correlation_fixed", "correlation_moving")
    table = write_slice_table(dict.fromkeys(names, [0.5, 0.6]), np.zeros((2, 3)), *volumes)
    table.SetName(name)
    return table


@pytest.fixture
def result(panel, volumes):
    """The parameters, with a result as a run leaves it."""
    parameters = panel._parameterNode
    fused = write_fused(volume_from_node(volumes[0]).image, {"notice": "n"}, volumes[0], "M")
    table = a_table(volumes)
    fused.SetNodeReferenceID(SLICE_TABLE, table.GetID())
    with slicer.util.NodeModify(parameters):
        parameters.registeredVolume = a_blob_node("M on F")
        parameters.sliceTable, parameters.fusedVolume = table, fused
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    return parameters


def settle() -> None:
    for _ in range(3):
        slicer.app.processEvents()
    raise_errors()


def pressed(panel) -> list[str]:
    return [name for name in BUTTONS if getattr(panel.ui, name).checked]


def press(panel, name: str) -> None:
    getattr(panel.ui, name).checked = True
    raise_errors()


SHOWN = [
    ("compareButton", "registeredVolume"),
    ("compareButton", "fusedVolume"),
    ("checkButton", "registeredVolume"),
    ("checkButton", "volumeA"),
    ("sliceTableButton", "sliceTable"),
    ("sliceTableButton", "fusedVolume"),
]


@pytest.mark.parametrize(("button", "what"), SHOWN)
def test_what_is_deleted_while_it_is_shown_brings_the_button_and_the_views_back(panel, result, scene, button, what):
    press(panel, button)
    scene.RemoveNode(getattr(result, what))
    settle()
    assert pressed(panel) == [] and not getattr(panel.ui, button).enabled
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView


def test_a_registered_volume_that_the_user_has_cropped_is_not_checked(panel, result):
    slicer.util.updateVolumeFromArray(result.registeredVolume, np.zeros((2, 3, 4), np.float32))
    press(panel, "checkButton")
    assert pressed(panel) == [] and not panel.ui.checkButton.enabled


def test_a_view_that_is_deleted_ends_the_comparison(panel, result, scene):
    press(panel, "compareButton")
    scene.RemoveNode(scene.GetNodeByID("vtkMRMLSliceNodeCSAFusionOverlay"))
    settle()
    assert pressed(panel) == []
    press(panel, "compareButton")
    assert len(own_composites()) == 4


def test_without_the_fixed_volume_the_others_are_still_compared(panel, result, volumes, scene):
    press(panel, "compareButton")
    scene.RemoveNode(volumes[0])
    settle()
    assert pressed(panel) == ["compareButton"] and slicer.app.layoutManager().layout == LAYOUT
    assert own_composites()[3].GetBackgroundVolumeID() == result.fusedVolume.GetID()


@pytest.mark.parametrize("button", BUTTONS)
def test_a_layout_chosen_from_the_toolbar_brings_the_button_back_and_stays(panel, result, button):
    press(panel, button)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView)
    settle()
    assert pressed(panel) == []
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView


def test_another_result_that_is_chosen_meanwhile_is_shown_in_place_of_the_first(panel, result, volumes):
    press(panel, "compareButton")
    other = write_fused(volume_from_node(volumes[0]).image, {"notice": "n"}, volumes[0], "other")
    result.fusedVolume = other
    settle()
    assert pressed(panel) == ["compareButton"]
    assert other.GetID() in [view.GetBackgroundVolumeID() for view in own_composites()]


@pytest.mark.parametrize("button", ["compareButton", "checkButton"])
def test_views_and_slider_show_afterwards_what_they_showed_before(panel, result, volumes, button):
    slicer.util.setSliceViewerLayers(background=volumes[0], foreground=volumes[1], foregroundOpacity=1.0)
    press(panel, button)
    assert panel.ui.overlaySlider.value == 0.5
    panel.ui.overlaySlider.value = 0.25
    overlay = own_composites()[2]
    assert overlay.GetForegroundOpacity() == pytest.approx(0.25)
    getattr(panel.ui, button).checked = False
    pump(lambda: own_composites() == [], 5)
    for view in composites():
        layers = (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetForegroundOpacity())
        assert layers == (volumes[0].GetID(), volumes[1].GetID(), 1.0)
        assert not view.GetLinkedControl() and not view.GetHotLinkedControl()
    assert panel.ui.overlaySlider.value == 1.0


def test_out_of_a_comparison_the_slider_sets_the_opacity_of_the_views(panel, result):
    panel.ui.overlaySlider.value = 0.4
    assert {view.GetForegroundOpacity() for view in composites()} == {0.4}


def test_what_is_pressed_by_script_after_the_module_was_left_does_nothing(panel, result, scene):
    panel.exit()
    nodes = scene.GetNumberOfNodes()
    for name in (*BUTTONS, "renderButton", "saveButton"):
        getattr(panel.ui, name).click()
        raise_errors()
    assert pressed(panel) == [] and scene.GetNumberOfNodes() == nodes


@pytest.mark.parametrize("in_colour", [False, True])
def test_with_a_deleted_result_goes_what_belongs_to_it_and_no_other_volume_is_written(
    panel, result, volumes, scene, child_does, in_colour
):
    if in_colour:
        colour = a_volume_node("RGB", np.full((2, 3, 4, 3), 100, np.uint8), OBLIQUE)
        colour.SetAttribute("CSAFusion.notice", "n")
        colour.SetNodeReferenceID(SLICE_TABLE, result.sliceTable.GetID())
        scene.RemoveNode(result.fusedVolume.GetDisplayNode())
        result.fusedVolume, first = colour, result.fusedVolume
        first.SetNodeReferenceID(SLICE_TABLE, None)
        scene.RemoveNode(first)
    panel.ui.renderButton.click()
    chart = chart_of(result.sliceTable)
    scene.RemoveNode(result.fusedVolume)
    assert panel.ui.fusedSelector.currentNode() is None and result.fusedVolume is None
    settle()
    assert not scene.IsNodePresent(chart) and result.sliceTable is None
    kinds = ("VolumeRenderingDisplay", "VolumeProperty", "PlotChart", "PlotSeries", "Table", "VectorVolume")
    assert [kind for kind in kinds if scene.GetNumberOfNodesByClass(f"vtkMRML{kind}Node")] == []
    assert panel._panel.request().outputs.fused is None


def test_apply_never_writes_into_a_hidden_node(panel, result):
    for name in ("fusedVolume", "registeredVolume", "sliceTable"):
        getattr(result, name).HideFromEditorsOn()
    assert panel._panel.request().outputs.nodes() == {}


def test_the_time_left_follows_the_steps_of_the_stage():
    seconds = iter([10.0, 12.0, 16.0])
    left = TimeLeft(lambda: next(seconds))
    assert left.after("fusing", 0, 8) is None
    assert left.after("fusing", 2, 8) == 6
    assert left.after("fusing", 6, 8) == 2


def test_another_stage_begins_anew():
    seconds = iter([0.0, 4.0, 5.0, 6.0])
    left = TimeLeft(lambda: next(seconds))
    left.after("registering", 0, 4)
    assert left.after("registering", 2, 4) == 4
    assert left.after("fusing", 0, 10) is None
    assert left.after("fusing", 1, 10) == 9


def test_what_cannot_be_known_is_not_said():
    left = TimeLeft()
    left.after("fusing", 0, 0)
    assert left.after("fusing", 3, 0) is None


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (7.4, "7 s"), (34, "30 s"), (89, "90 s"), (130, "2 min")])
def test_durations_are_said_as_one_would(seconds, words):
    assert in_words(seconds) == words


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
