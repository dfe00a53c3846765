"""CSAFusionLib.slicer_host.panel.run_section"""

from __future__ import annotations

import pytest

from CSAFusionLib.slicer_host.panel.run_section import TimeLeft, in_words


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
