"""CSAFusionLib.cli.progress_bar"""

from __future__ import annotations

import signal
import sys

import pytest

from CSAFusionLib.cli.progress_bar import ProgressBar, muted
from CSAFusionLib.errors import Cancelled
from CSAFusionLib.progress import ends_in_order


def test_the_bar_shows_stage_and_count_on_stderr(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressBar() as progress:
        progress("Fusing slices", 0, 4)
        progress("Fusing slices", 4, 4)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Fusing slices" in err
    assert "4/4" in err


def test_a_stage_without_a_known_end_is_named(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
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


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_request_of_the_system_to_end_cancels_at_the_next_report_and_keeps_its_exit_code(name: str) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as told, ends_in_order(), ProgressBar() as progress:
        signal.raise_signal(number)
        # As in a callback of ITK, out of which SystemExit would not come.
        with pytest.raises(Cancelled) as cancelled:
            progress("Registering", 1, 2)
        raise cancelled.value
    assert told.value.code == 128 + number
    assert signal.getsignal(number) is before


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_request_to_end_that_comes_after_the_last_report_spoils_nothing() -> None:
    with ends_in_order(), ProgressBar() as progress:
        progress("Writing", 0, 0)
        signal.raise_signal(signal.SIGTERM)


def test_without_a_terminal_there_is_a_line_every_ten_seconds(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("CSAFusionLib.cli.progress_bar.time.monotonic", lambda: clock[0])
    with ProgressBar() as progress:
        for done in range(25):
            progress("Fusing slices", done, 25)
            clock[0] += 1.0
        clock[0] += 10.0
        progress("Writing", 0, 0)
    assert capfd.readouterr().err.splitlines() == ["Fusing slices 10/25", "Fusing slices 20/25", "Writing..."]


def test_a_short_job_without_a_terminal_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
    assert capfd.readouterr().err == ""


def test_muted_it_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with muted(), ProgressBar() as progress:
        progress("Reading", 0, 0)
    assert capfd.readouterr().err == ""
