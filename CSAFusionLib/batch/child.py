"""Run ``csafusion batch`` in a child process and follow it, so that an application stays responsive meanwhile."""

from __future__ import annotations

import csv
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from CSAFusionLib.batch.case import COLUMNS, Case, check_name
from CSAFusionLib.batch.layout import SUMMARY
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.processes import ChildProcess, end_tree, module_command, module_variables

SECONDS_TO_END = 5.0
"""The time that a cancelled batch has to end its workers before it is killed."""

_ENDED_WELL = (0, 2)
_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Pair:
    """Two volumes as files or DICOM folders, and the name of their case."""

    name: str
    fixed: Path
    moving: Path


@dataclass(frozen=True)
class Row:
    """How a case ended: ``status`` is done or failed; ``verdict`` is good, doubtful, bad or empty; and the reason."""

    name: str
    status: str
    verdict: str
    reason: str


class BatchProcess:
    """A batch in a child process: start it, poll it until it has ended, or cancel it. Finished cases are kept.

    Args:
        pairs: what to fuse; the names must differ in more than capitals. A case has its own settings and files.
        out: the folder of the results, created if it does not exist; cases already done in it are skipped.
        settings: the settings of every pair.
        jobs: workers; as many as fit when None.
        brainsfit: the BRAINSFit executable, if it is not the one on the PATH.
        python: the interpreter; this process's own when None.
    """

    def __init__(
        self,
        pairs: Sequence[Pair | Case],
        out: Path,
        settings: FusionSettings,
        *,
        jobs: int | None = None,
        retry_failed: bool = False,
        brainsfit: Path | None = None,
        python: str | None = None,
    ) -> None:
        self._pairs = list(pairs)
        self._out = out
        self._settings = settings
        self._words = [] if jobs is None else ["--jobs", str(jobs)]
        self._words += ["--retry-failed"] if retry_failed else []
        self._words += [] if brainsfit is None else ["--brainsfit", str(brainsfit)]
        self._python = python
        self._child: ChildProcess | None = None
        self._files: OwnedFolder | None = None
        self._returned: set[str] = set()
        self._before: _Stamp | None = None
        self._read: _Stamp | None = None
        self._kill_at: float | None = None

    def start(self) -> None:
        """Start the child.

        Raises InputError where there is no pair, a name is invalid, or the system refuses the files or the child.
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
        """Return the cases that have ended since the last call, without waiting.

        Raises InputError, once, when the batch as a whole has failed; the sentence says why.
        """
        if self._child is None:
            return []
        code = self._child.poll()
        rows = [row for row in self._rows() if row.name not in self._returned]
        self._returned |= {row.name for row in rows}
        # The exit code for failed cases is also that of a batch that stopped midway.
        is_whole = code in _ENDED_WELL and len(self._returned) == len(self._pairs)
        if code is None:
            if self._kill_at is not None and time.monotonic() > self._kill_at:
                end_tree(self._child.pid, by_force=True)
        elif self._kill_at is not None or is_whole:
            self._put_away()
        elif not rows:
            # The previous call returned the cases that had ended before the failure.
            reason = self._last_sentence()
            self._put_away()
            raise InputError(reason or f"The batch ended unexpectedly (exit code {code}); start it again to continue.")
        return rows

    @property
    def is_running(self) -> bool:
        """Whether it has been started and :meth:`poll` has not seen its end yet."""
        return self._child is not None

    def stop(self) -> None:
        """Ask the batch to end, without waiting: :meth:`poll` notices the end, and enforces it if need be."""
        if self._child is not None and self._kill_at is None:
            end_tree(self._child.pid, by_force=False)
            self._kill_at = time.monotonic() + SECONDS_TO_END

    def cancel(self) -> None:
        """End the batch and its workers, and wait until they have ended; starting it again continues it."""
        if self._child is not None:
            self._child.end(SECONDS_TO_END)
            self._put_away()

    @property
    def _log(self) -> Path:
        assert self._files is not None
        return self._files.path / "batch.log"

    def _rows(self) -> list[Row]:
        stamp = self._stamp()
        if stamp in (None, self._before, self._read):
            return []  # nothing new, or the summary of an earlier run, which the child has yet to replace
        wanted = {pair.name for pair in self._pairs}
        try:
            with (self._out / SUMMARY).open(encoding="utf-8", newline="") as stream:
                rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        except OSError:
            return []
        self._read = stamp
        # The last row may not be complete yet.
        whole = [row for row in rows if row.get("record") and row.get("name") in wanted]
        return [Row(row["name"], row["status"], row["verdict"].replace("n/a", ""), row["reason"]) for row in whole]

    def _stamp(self) -> _Stamp | None:
        """Tells one version of the summary from the next; None where there is none."""
        try:
            status = (self._out / SUMMARY).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _last_sentence(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _put_away(self) -> None:
        files, self._files, self._child = self._files, None, None
        self._kill_at = None
        if files is not None:
            files.remove()


def write_table(file: Path, pairs: Sequence[Pair | Case], settings: FusionSettings) -> None:
    """Write pairs as a table that :func:`CSAFusionLib.batch.case_lists.cases_of_table` reads, with all settings.

    settings: those of pairs that are not cases.

    Raises OSError when the disk refuses it.
    """
    rows = [_cells(pair, settings) for pair in pairs]
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(dict.fromkeys(name for row in rows for name in row)), delimiter="\t")
        table.writeheader()
        table.writerows(rows)


def _cells(pair: Pair | Case, settings: FusionSettings) -> dict[str, str]:
    """The cells of a pair's row, by column name."""
    cells: dict[str, Any] = {"name": pair.name, "fixed": pair.fixed.absolute(), "moving": pair.moving.absolute()}
    if isinstance(pair, Case):
        settings = pair.settings
        cells |= {name: getattr(pair, name) for name in COLUMNS if hasattr(pair, name)}
    return {key: _text(value) for key, value in (cells | settings.to_dict()).items()}


def _text(value: Any) -> str:
    """A value as the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict):
        return f"{value['level']!r},{value['width']!r}"
    return str(value)
