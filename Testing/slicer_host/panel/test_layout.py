"""What a user sees of the panel in Slicer's window: nothing is cut off, and what matters now is in view."""

from __future__ import annotations

import time

import pytest
import slicer

from Testing.host.application import open_panel, raise_errors
from Testing.host.module_panel import VIEWPORTS, ModulePanel, text_scaled
from Testing.host.panel_states import SECTIONS, STATES, done, doubtful, failed, open_all, running
from Testing.host.pictures import cut_off, use_theme

EVERYONE = ("volumeASelector", "volumeBSelector", "presetComboBox", "methodComboBox", "applyButton")
CLOSED_SETTING = "CSAFusion/FirstStepsClosed"
LAPTOP = VIEWPORTS["1024x768"]


@pytest.fixture
def window(panel):
    """Opens Slicer's window on the panel, which outlives it."""
    windows = []

    def open_window(size: tuple[int, int]) -> ModulePanel:
        windows.append(ModulePanel(panel, size))
        return windows[-1]

    use_theme(False)
    yield open_window
    for one in windows:
        one.close_panel()


def let_scroll(window: ModulePanel) -> None:
    window.settle()
    time.sleep(0.06)
    window.settle()
    raise_errors()


@pytest.mark.parametrize("scaling", [1.0, 1.5, 2.0])
def test_nothing_is_cut_off(panel, window, scaling):
    with text_scaled(scaling):
        shown = window(VIEWPORTS["1024x768"])
        for state, bring in STATES.items():
            bring(panel)
            for size in VIEWPORTS.values():
                shown.settle(size)
                assert cut_off(panel) == [], (state, size)
            open_all(panel)
            shown.settle()
            assert cut_off(panel) == [], state
            open_all(panel, False)


def test_a_line_that_gets_shorter_gives_its_room_back(panel, window):
    shown = window(LAPTOP)
    failed(panel)
    shown.settle()
    long = panel.ui.statusLabel.height
    panel._panel.run.show_end("Cancelled.")
    shown.settle()
    assert long > 3 * panel.ui.statusLabel.height > 30


def test_the_panel_may_be_as_narrow_as_slicers_own(panel, window):
    shown = window(LAPTOP)
    for state, bring in STATES.items():
        bring(panel)
        open_all(panel)
        shown.settle()
        assert shown.widget().minimumSizeHint().width() <= 380, state


def test_what_everyone_sets_fits_480_pixels_with_room_for_larger_styles(panel, window):
    panel._panel.tour.close()
    shown = window(LAPTOP)
    apply, top = panel.ui.applyButton._qt, panel.parent.layout().parentWidget()._qt
    for state, bring in STATES.items():
        bring(panel)
        shown.settle()
        assert apply.mapTo(top, apply.rect().bottomLeft()).y() < 480 / 2, state


def test_on_the_first_opening_too_the_steps_and_apply_are_seen_at_once(panel, window):
    shown = window(LAPTOP)
    running(panel)
    let_scroll(shown)
    seen = (*EVERYONE, "tourLabel", "exampleButton", "intensityALabel", "cancelButton", "progressBar", "statusLabel")
    assert [name for name in seen if not shown.is_in_view(name)] == []


def test_a_result_comes_into_view_with_its_quality_wherever_the_panel_was_scrolled_to(panel, window):
    shown = window(LAPTOP)
    open_all(panel)
    shown.settle()
    shown.verticalScrollBar().setValue(shown.verticalScrollBar().maximum())
    assert not shown.is_in_view("applyButton")
    done(panel)
    let_scroll(shown)
    seen = ("statusLabel", "qualityLabel", "resultCollapsibleButton", "checkButton", "overlaySlider")
    assert [name for name in seen if not shown.is_in_view(name)] == []


def test_warnings_come_into_view_before_the_rest_of_a_result(panel, window):
    shown = window((LAPTOP[0], 300))
    doubtful(panel)
    let_scroll(shown)
    assert all(shown.is_in_view(name) for name in ("statusLabel", "qualityLabel", "warningLabel"))


@pytest.mark.parametrize("end", [failed, running])
def test_a_start_and_an_error_come_into_view(panel, window, end):
    shown = window((LAPTOP[0], 300))
    open_all(panel)
    shown.settle()
    shown.verticalScrollBar().setValue(shown.verticalScrollBar().maximum())
    end(panel)
    let_scroll(shown)
    assert shown.is_in_view("statusLabel")


def test_nothing_scrolls_after_the_panel_was_closed(module, volumes, window, monkeypatch):
    monkeypatch.setattr("CSAFusionLib.worker.devices.DeviceQuestion.start", lambda question: None)
    other = open_panel(module)
    failed(other)
    other.cleanup()
    assert not other._panel._scrolling._timer.active


def test_what_few_people_set_is_collapsed_with_a_line_on_what_is_set(panel, volumes):
    heads = {name: getattr(panel.ui, f"{name}CollapsibleButton") for name in (*SECTIONS, "result")}
    assert all(head.collapsed for head in heads.values())
    assert [head.text for head in heads.values()] == [
        "Inputs: grid of A",
        "Registration: Rigid",
        "Fusion: automatic",
        "Outputs: new volume, table of slices",
        "Batch: no pairs",
        "Result: none yet",
    ]
    open_all(panel)
    assert heads["fusion"].text == "Fusion" and heads["fusion"].toolTip == ""
    panel.ui.fusionCollapsibleButton.collapsed = True
    panel.ui.balanceSlider.value = 0.25
    panel.ui.smoothingSlider.value = 0.0
    assert heads["fusion"].text == "Fusion: balance 0.25 to B, smoothing 0…"
    assert heads["fusion"].toolTip == "Fusion: balance 0.25 to B, smoothing 0 mm"


def test_the_first_steps_stay_until_they_are_closed_or_have_led_to_a_result(panel, module, application, child_does):
    child_does("negate")
    assert not panel.ui.tourWidget.isHidden() and panel.ui.tourButton.isHidden()
    assert len(panel.ui.tourLabel.text.splitlines()) == 5
    panel.ui.tourCloseButton.click()
    raise_errors()
    assert panel.ui.tourWidget.isHidden() and application.settings == {CLOSED_SETTING: "True"}
    slicer.mrmlScene.Clear(False)
    again = open_panel(module)
    assert again.ui.tourWidget.isHidden()
    again.ui.tourButton.click()
    assert not again.ui.tourWidget.isHidden()
    done(again)
    assert again.ui.tourWidget.isHidden()
    again.cleanup()
