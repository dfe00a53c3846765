"""Reports of a running job: lines of the child's standard output, and the events made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from CSAFusionLib.fusion.result import FusionResult


@dataclass(frozen=True)
class ProgressEvent:
    """``done`` of ``total`` steps of ``stage`` are over; ``total`` 0 means it cannot be known."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class ResultEvent:
    """The job is done; nothing follows."""

    result: FusionResult


@dataclass(frozen=True)
class ErrorEvent:
    """The job failed; nothing follows. ``message`` is one sentence for the user, ``details`` is for the log."""

    message: str
    details: str = ""


@dataclass(frozen=True)
class CancelledEvent:
    """The job was cancelled and has ended; nothing follows."""


Event = ProgressEvent | ResultEvent | ErrorEvent | CancelledEvent


def progress_line(stage: str, done: int, total: int) -> str:
    """A report of progress as one line of JSON."""
    return json.dumps({"event": "progress", "stage": stage, "done": done, "total": total})


def error_line(message: str) -> str:
    """The end of a job that failed for a reason the user can understand, as one line of JSON."""
    return json.dumps({"event": "error", "message": message})


def result_line() -> str:
    """The end of a job whose result lies in its folder, as one line of JSON."""
    return json.dumps({"event": "result"})
