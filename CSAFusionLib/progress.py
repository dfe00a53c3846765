"""Report the progress of a long job, cancel it, and end a process in order on a termination signal."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


@contextmanager
def ends_in_order() -> Iterator[None]:
    """Inside the block, turn a termination signal into SystemExit, so that clean-up code runs.

    By default such a signal ends the process at once. A signal that has another handler or is ignored (as under
    ``nohup``) stays so; outside the main thread the block changes nothing.
    """
    ours = [number for number in _ENDING if _in_main_thread() and signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, _exit)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def answered_by_ending() -> list[int]:
    """The signals that would end this process now, at once or in order; none outside the main thread."""
    ours = (signal.SIG_DFL, _exit)
    return [number for number in _ENDING if _in_main_thread() and signal.getsignal(number) in ours]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Defer every termination signal, Ctrl-C included, until the end of the block.

    For steps that must not be left half done, such as removing folders and putting files in place. The block must be
    short.
    """
    put_off: list[int] = []
    before = {}
    if _in_main_thread():
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_ENDING)}
        before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, lambda asked, frame: put_off.append(asked))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if put_off:
            signal.raise_signal(put_off[0])


def _in_main_thread() -> bool:
    """Only the main thread can handle signals."""
    return threading.current_thread() is threading.main_thread()


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


class Progress(Protocol):
    """Called often by every long job; raises :class:`CSAFusionLib.errors.Cancelled` to stop it."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` steps of ``stage`` are done; ``total`` is 0 where it is unknown."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing and never cancel."""
