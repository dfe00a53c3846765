"""CSAFusionLib.cli.progress_bar"""

from __future__ import annotations

import signal

import pytest

from CSAFusionLib.cli.progress_bar import ProgressBar
from CSAFusionLib.errors import Cancelled


def test_the_bar_shows_stage_and_count_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with ProgressBar() as progress:
        progress("Fusing slices", 0, 4)
        progress("Fusing slices", 4, 4)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Fusing slices" in err
    assert "4/4" in err


def test_a_stage_without_a_known_end_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        progress("Writing", 0, 0)
    err = capfd.readouterr().err
    assert "Reading..." in err
    assert "Writing..." in err


def test_ctrl_c_cancels_at_the_next_report() -> None:
    with ProgressBar() as progress, pytest.raises(Cancelled):
        progress("Fusing slices", 0, 2)
        signal.raise_signal(signal.SIGINT)
        progress("Fusing slices", 1, 2)


def test_a_second_ctrl_c_stops_at_once() -> None:
    with ProgressBar(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_is_as_before_when_the_work_is_over() -> None:
    before = signal.getsignal(signal.SIGINT)
    with ProgressBar():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
