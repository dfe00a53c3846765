"""How a long job reports where it is, how it is cancelled, and how a process ends when it is asked to."""

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
    """Inside the block, turn a request to end this process into SystemExit, on whose way out everything is put away.

    By default such a request ends the process at once. What another handler answers, or what is ignored (as under
    ``nohup``), stays so; outside the main thread the block changes nothing.
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
    """Put off every request to end this process, Ctrl-C too, until the block is over.

    For what must not be left half done: folders are removed, files are put in place. It must be short.
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
    """Only there can signals be answered."""
    return threading.current_thread() is threading.main_thread()


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


class Progress(Protocol):
    """Called often by every long job; raises :class:`CSAFusionLib.errors.Cancelled` to stop it."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` steps of ``stage`` are over; ``total`` 0 means it cannot be known."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing and never cancel."""
