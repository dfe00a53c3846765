"""What a user sees of a running command: progress, what Ctrl+C does, and every expected error as one sentence."""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import typer

from CSAFusionLib.errors import Cancelled, CSAFusionError, Interrupted, NotEnoughMemory
from CSAFusionLib.files.atomic_write import shown
from CSAFusionLib.memory import RAN_OUT, stems_from_lack_of_memory
from CSAFusionLib.progress import answered_by_ending, ends_in_order
from CSAFusionLib.text import printable

if TYPE_CHECKING:
    from tqdm import tqdm


BAD_INPUT = 2
CANCELLED = 130  # as a shell reports a command ended by Ctrl-C
EXPECTED = (CSAFusionError, MemoryError, RuntimeError, SystemError, OSError, ImportError)
"""The types of the exceptions for which :func:`sentence_for` may have a sentence."""


def explains_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command report an expected error in one sentence on stderr: exit code 2, or 130 when it was cancelled.

    Running out of memory, wherever it happens, and a file or folder that the system refuses are also expected.

    On a termination signal, it cleans up first.
    """

    @functools.wraps(command)
    def explained(*args: object, **kwargs: object) -> None:
        try:
            with ends_in_order():
                command(*args, **kwargs)
        except Interrupted as error:
            _stop(str(error), CANCELLED)
        except (Cancelled, KeyboardInterrupt):
            _stop("Cancelled; nothing was written.", CANCELLED)
        except BrokenPipeError:
            # The reader of the output has closed it: that is no error, and click ends the command.
            raise
        except EXPECTED as error:
            message = sentence_for(error)
            if message is None:
                raise
            _stop(message, BAD_INPUT)

    return explained


def sentence_for(error: BaseException) -> str | None:
    """The sentence for the user; None for an unexpected failure, whose traceback is wanted."""
    if isinstance(error, NotEnoughMemory):
        return str(error)
    if stems_from_lack_of_memory(error):
        return RAN_OUT
    if isinstance(error, OSError):
        return _refused(error)
    return str(error) if isinstance(error, CSAFusionError) else None


def _refused(error: OSError) -> str:
    """What the system refused, in one sentence."""
    if error.filename is None:
        return f"The system refused a file ({error.strerror or error}); check the free disk space and try again."
    return f"'{shown(Path(error.filename))}' cannot be used ({error.strerror}); check the path and the disk."


def _stop(message: str, code: int) -> None:
    typer.echo(printable(message), err=True)
    raise typer.Exit(code)


class ProgressBar:
    """A :class:`CSAFusionLib.progress.Progress` for a terminal, used in a ``with`` block.

    The first Ctrl-C is remembered and raised as Cancelled at the next report, because an exception raised inside a
    library's own callback would not pass through it intact. A second Ctrl-C stops at once. The same holds for
    termination signals, after which the block ends with SystemExit.
    """

    def __init__(self) -> None:
        self._bar: tqdm | _Lines | None = None
        self._lines = _Lines()
        self._stage = ""
        self._cancelled = False
        self._ended_by: int | None = None

    def __enter__(self) -> ProgressBar:
        asked = [signal.SIGINT, *answered_by_ending()]
        self._previous = {number: signal.getsignal(number) for number in asked}
        for number in asked:
            signal.signal(number, self._request_stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._close()
        if self._ended_by is not None and isinstance(error, Cancelled):
            sys.exit(128 + self._ended_by)

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._cancelled:
            raise Cancelled
        if self._bar is None or stage != self._stage:
            self._close()
            self._stage = stage
            self._bar = self._new_bar(stage, total)
        self._bar.total = total or None
        self._bar.update(done - self._bar.n)

    def _request_stop(self, signal_number: int, frame: FrameType | None) -> None:
        # Nothing is printed here: the signal may have interrupted the bar in the middle of its own printing.
        self._cancelled = True
        if signal_number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        else:
            self._ended_by = signal_number
            signal.signal(signal_number, self._previous[signal_number])

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _new_bar(self, stage: str, total: int) -> tqdm | _Lines:
        if _muted or not sys.stderr.isatty():
            return self._lines.begun(stage)
        from tqdm import tqdm

        if total:
            return tqdm(desc=stage, total=total, file=sys.stderr)
        return tqdm(desc=stage, file=sys.stderr, bar_format="{desc}...", leave=False)


class _Lines:
    """Replaces the bar where there is no terminal: every ten seconds it prints a line with the progress.

    The first line comes once a stage has counted for a second, so that a log soon shows that the inputs were accepted
    and how long the work takes.
    """

    def __init__(self) -> None:
        self.total: int | None = None
        self.n = 0
        self._stage = ""
        self._told = self._began = time.monotonic()
        self._counted = False

    def begun(self, stage: str) -> _Lines:
        """Begin a stage, possibly again."""
        self._stage, self.n, self.total = stage, 0, None
        self._began = time.monotonic()
        self._tell()
        return self

    def update(self, steps: int) -> None:
        """Count further steps as done."""
        self.n += steps
        self._tell()

    def close(self) -> None:
        """Stop reporting the stage."""

    def _tell(self) -> None:
        now = time.monotonic()
        counts = bool(self.n and self.total)
        is_first = counts and not self._counted and now - self._began >= _SECONDS_BEFORE_FIRST_COUNT
        if _muted or not (is_first or now - self._told >= _SECONDS_BETWEEN_LINES):
            return
        self._told = now
        self._counted |= counts
        count = f" {self.n}/{self.total}" if counts else "..."
        print(f"{self._stage}{count}", file=sys.stderr, flush=True)  # noqa: T201 (this is the output)


_SECONDS_BEFORE_FIRST_COUNT = 1.0
_SECONDS_BETWEEN_LINES = 10.0
_muted = False


@contextmanager
def muted() -> Iterator[None]:
    """Inside the block, show no progress."""
    global _muted
    before, _muted = _muted, True
    try:
        yield
    finally:
        _muted = before
