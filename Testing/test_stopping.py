"""Tests of requests to end this process."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from CSAFusionLib.progress import ends_in_order, undisturbed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_request_to_end_unwinds_what_is_open_and_keeps_its_exit_code(name: str) -> None:
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as told, ends_in_order():
        signal.raise_signal(number)
    assert told.value.code == 128 + number
    assert signal.getsignal(number) is before


def test_what_is_ignored_or_answered_otherwise_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ends_in_order():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_nothing_changes() -> None:
    seen: list[object] = []

    def work() -> None:
        with ends_in_order(), undisturbed():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_request_is_put_off_until_what_must_be_whole_is_done(number: int, raised: type[BaseException]) -> None:
    done: list[int] = []
    with pytest.raises(raised), ends_in_order(), undisturbed():
        signal.raise_signal(number)
        done.append(1)
    assert done == [1]


def test_a_request_is_not_lost_when_the_block_fails() -> None:
    with pytest.raises(KeyboardInterrupt), undisturbed():
        signal.raise_signal(signal.SIGINT)
        raise ValueError
