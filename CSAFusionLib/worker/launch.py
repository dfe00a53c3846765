"""Start the child process of a job, read its events without waiting, and end it on request."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.processes import ModuleProcess
from CSAFusionLib.worker.job import (
    CancelledEvent,
    ErrorEvent,
    Event,
    Job,
    ProgressEvent,
    ResultEvent,
    load_result,
    save_job,
)

FUSION = "CSAFusionLib.fusion.pipeline:fuse_volumes"
SECONDS_TO_END = 1.0
"""The time that a cancelled child has before it is killed."""


class WorkerProcess:
    """One job in a child process: start it, poll it until an event ends it, or cancel it.

    Its temporary folder is removed with the event that ends it, and with this object at the latest.

    Args:
        job: what to do.
        python: the interpreter to run it with, which must have this package's dependencies; this process's own when
            None.
        task: ``module:function`` to call in the child, with the arguments of ``fuse_volumes``.
    """

    def __init__(self, job: Job, *, python: str | None = None, task: str = FUSION) -> None:
        self._job = job
        self._python = python
        self._task = task
        self._child: _Child | None = None

    def start(self) -> None:
        """Write the job's files and start the child.

        Raises:
            InputError: the files cannot be written or the interpreter cannot be started; nothing is left behind.
        """
        files: OwnedFolder | None = None
        try:
            files = OwnedFolder()
            save_job(self._job, files.path)
            process = self._start(files)
        except (OSError, RuntimeError) as error:
            if files is not None:
                files.remove()
            raise InputError(
                f"The fusion process could not be started ({error}); check the free disk space."
            ) from error
        self._child = _Child(process)

    def _start(self, files: OwnedFolder) -> ModuleProcess:
        arguments = "CSAFusionLib.worker.run_job", str(files.path), self._task
        with open(_log_of(files.path), "w", encoding="utf-8") as log:
            return ModuleProcess(
                *arguments, python=self._python, files=files, stdout=subprocess.PIPE, stderr=log, encoding="utf-8"
            )

    def poll(self) -> list[Event]:
        """Return the events since the last call, without waiting; none after the event that ends the job."""
        child = self._child
        if child is None:
            return []
        # The listener runs only while this thread releases Python, which an application may not do between two polls.
        time.sleep(0.001)
        # Checked before the lines are taken: a child that has ended has written all of its lines.
        ended = child.has_ended()
        events = [child.event_of(line) for line in child.taken_lines()]
        if ended and not (events and isinstance(events[-1], ResultEvent | ErrorEvent)):
            events.append(child.crash())
        if events and not isinstance(events[-1], ProgressEvent):
            self._end(child)
        return events

    def cancel(self) -> list[Event]:
        """End the child within two seconds and remove its files; returns a CancelledEvent if it was still running."""
        if self._child is None:
            return []
        self._end(self._child)
        return [CancelledEvent()]

    def _end(self, child: _Child) -> None:
        child.stop()
        self._child = None


class _Child:
    """A started process with its files and the thread that listens to it."""

    def __init__(self, process: ModuleProcess) -> None:
        self._process = process
        self._files = process.files
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._listener = threading.Thread(target=_listen, args=(process.stdout, self._lines), daemon=True)
        self._listener.start()

    def has_ended(self) -> bool:
        if self._process.poll() is None:
            return False
        self._listener.join(0.02)
        if self._listener.is_alive():
            # Its own children may still hold its standard output: a killed launcher leaves its program behind.
            self._process.end()
            self._listener.join(SECONDS_TO_END)
        return True

    def taken_lines(self) -> Iterator[str]:
        while not self._lines.empty():
            yield self._lines.get()

    def event_of(self, line: str) -> Event:
        values = json.loads(line)
        if values["event"] == "progress":
            return ProgressEvent(values["stage"], values["done"], values["total"])
        if values["event"] == "error":
            return ErrorEvent(values["message"])
        return ResultEvent(load_result(self._files.path))

    def crash(self) -> ErrorEvent:
        log = _log_of(self._files.path).read_text(encoding="utf-8", errors="replace")
        return ErrorEvent(_why(self._process.returncode or 0, log), log)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.end(SECONDS_TO_END)
        self._listener.join(SECONDS_TO_END)
        self._files.remove()


def _log_of(folder: Path) -> Path:
    return folder / "worker.log"


def _listen(stdout: IO[str], lines: SimpleQueue[str]) -> None:
    with stdout as stream:
        for line in stream:
            # A launcher of the interpreter may print its own lines; the events are the lines of JSON.
            if line.startswith("{"):
                lines.put(line)


_OUT_OF_MEMORY = {-9, 137}
_CRASHES = {-4, -6, -7, -8, -11, 132, 134, 135, 136, 139, 0xC0000005, 0xC0000409, 0xC00000FD}


def _why(code: int, log: str) -> str:
    """One sentence for an exit code (negative: a signal; above 128: a signal that a launcher passes on)."""
    if code in _OUT_OF_MEMORY:
        return (
            "The system stopped the fusion process, most likely because memory ran out; close other programs or choose "
            "a smaller volume, and try again."
        )
    if code in _CRASHES:
        return f"The fusion process crashed (exit code {code}); try again with the device set to CPU."
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    said = f": {last}" if last else ""
    return f"The fusion process ended unexpectedly (exit code {code}){said}"
