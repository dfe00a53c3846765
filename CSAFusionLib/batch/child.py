"""A batch in a process of its own, for an application that stays alive meanwhile: ``csafusion batch``, listened to."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from CSAFusionLib.batch.case import check_name
from CSAFusionLib.batch.layout import SUMMARY
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.processes import ChildProcess, module_command, module_variables

SECONDS_TO_END = 5.0
"""What a cancelled batch may take to put its workers away before it is killed."""

_ENDED_WELL = (0, 2)


@dataclass(frozen=True)
class Pair:
    """Two volumes as files or DICOM folders, and the name of their case."""

    name: str
    fixed: Path
    moving: Path


@dataclass(frozen=True)
class Row:
    """How a case has ended: ``status`` is done or failed; ``verdict`` good, doubtful, bad or empty; and why."""

    name: str
    status: str
    verdict: str
    reason: str


class BatchProcess:
    """A batch in a child process: start it, poll it until it has ended, or cancel it. What is done stays.

    Args:
        pairs: what to fuse; names may differ in more than capitals.
        out: the folder of the results, made if need be; what has been done in it before is skipped.
        settings: of every case.
        jobs: workers; as many as fit when None.
        python: the interpreter; this process's own when None.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        out: Path,
        settings: FusionSettings,
        *,
        jobs: int | None = None,
        retry_failed: bool = False,
        python: str | None = None,
    ) -> None:
        self._pairs = list(pairs)
        self._out = out
        self._settings = settings
        self._words = [] if jobs is None else ["--jobs", str(jobs)]
        self._words += ["--retry-failed"] if retry_failed else []
        self._python = python
        self._child: ChildProcess | None = None
        self._files: OwnedFolder | None = None
        self._told: set[str] = set()
        self._before: tuple[int, int] | None = None

    def start(self) -> None:
        """Start the child.

        Raises InputError where there is no pair, a name cannot be one, or the system refuses the files or the child.
        """
        if not self._pairs:
            raise InputError("There is no pair to fuse; give at least one.")
        for pair in self._pairs:
            check_name(pair.name)
        try:
            self._files = OwnedFolder()
            table = self._files.path / "pairs.tsv"
            write_table(table, self._pairs, self._settings)
            words = ["batch", str(table), "-o", str(self._out), *self._words]
            command = module_command("CSAFusionLib.cli", *words, python=self._python)
            self._before = self._stamp()
            with open(self._log, "w", encoding="utf-8") as log:
                self._child = ChildProcess(
                    command, self._files.path, variables=module_variables(), stdout=subprocess.DEVNULL, stderr=log
                )
        except OSError as error:
            self._put_away()
            raise InputError(f"The batch could not be started ({error}); check the free disk space.") from error

    def poll(self) -> list[Row]:
        """The cases that have ended since the last call, without waiting.

        Raises InputError, once, when the batch as a whole has failed; the sentence says why.
        """
        if self._child is None:
            return []
        code = self._child.poll()
        rows = [row for row in self._rows() if row.name not in self._told]
        self._told |= {row.name for row in rows}
        if code is not None:
            said = self._last_sentence()
            self._put_away()
            # The exit code of failed cases is also that of a batch which stopped on the way.
            if code not in _ENDED_WELL or len(self._told) < len(self._pairs):
                raise InputError(said or f"The batch ended unexpectedly (exit code {code}); start it again to go on.")
        return rows

    @property
    def is_running(self) -> bool:
        """Whether it has been started and :meth:`poll` has not seen its end yet."""
        return self._child is not None

    def cancel(self) -> None:
        """End the batch and its workers; starting it again goes on."""
        if self._child is not None:
            self._child.end(SECONDS_TO_END)
            self._put_away()

    @property
    def _log(self) -> Path:
        assert self._files is not None
        return self._files.path / "batch.log"

    def _rows(self) -> list[Row]:
        if self._stamp() in (None, self._before):
            return []  # the summary of an earlier run, which the child has yet to replace
        wanted = {pair.name for pair in self._pairs}
        try:
            with (self._out / SUMMARY).open(encoding="utf-8", newline="") as stream:
                rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        except OSError:
            return []
        # The last row may be on its way to the disk.
        whole = [row for row in rows if row.get("record") and row.get("name") in wanted]
        return [Row(row["name"], row["status"], row["verdict"].replace("n/a", ""), row["reason"]) for row in whole]

    def _stamp(self) -> tuple[int, int] | None:
        """Tells one summary from the next; None where there is none."""
        try:
            status = (self._out / SUMMARY).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _last_sentence(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _put_away(self) -> None:
        files, self._files, self._child = self._files, None, None
        if files is not None:
            files.remove()


def write_table(file: Path, pairs: Sequence[Pair], settings: FusionSettings) -> None:
    """Write pairs as a table that :func:`CSAFusionLib.batch.table.cases_of_table` reads, with all settings.

    Raises OSError when the disk refuses it.
    """
    texts = {key: _text(value) for key, value in settings.to_dict().items()}
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, delimiter="\t")
        rows.writerow(["name", "fixed", "moving", *texts])
        rows.writerows([pair.name, pair.fixed.absolute(), pair.moving.absolute(), *texts.values()] for pair in pairs)


def _text(value: Any) -> str:
    """A setting as a table says it."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return f"{value['level']!r},{value['width']!r}"
    return str(value)
