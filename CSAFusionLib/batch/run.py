"""Run a batch: skip the cases that have already ended, run the others, report each, and write the summary."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.engine import Died, Task, outcomes
from CSAFusionLib.batch.layout import FAILED, SUMMARY, Record, Summary
from CSAFusionLib.batch.perform import STAGING, Run, perform, record_failure
from CSAFusionLib.batch.resuming import BatchPart, ended, held
from CSAFusionLib.cli.terminal import EXPECTED, sentence_for
from CSAFusionLib.errors import Interrupted
from CSAFusionLib.files.atomic_write import atomic_write, content_writer
from CSAFusionLib.files.temporary import PREFIX, sweep
from CSAFusionLib.logs import logger_of
from CSAFusionLib.text import to_json

if TYPE_CHECKING:
    from distributed import Client

_log = logger_of(__name__)

Tell = Callable[[Record, int, int], None]
"""Called with each case that ends, the number of cases that have ended, and the number of all."""


@dataclass
class Tally:
    """The numbers of cases: ``skipped`` had ended before, ``done`` and ``failed`` ended now."""

    skipped: int = 0
    skipped_failed: int = 0
    done: int = 0
    failed: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)

    def count(self, record: Record, *, now: bool) -> None:
        """Count a case that has ended, now or before."""
        if record.verdict is not None:
            self.verdicts[record.verdict["level"]] += 1
        name = ("failed" if record.failed else "done") if now else "skipped"
        setattr(self, name, getattr(self, name) + 1)
        self.skipped_failed += record.failed and not now

    @property
    def all_failed(self) -> int:
        """The cases that failed, now or before."""
        return self.failed + self.skipped_failed


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The cases, the folder of their results, and how they are run.

    Args:
        command: the command, as the sidecars record it.
        summary: the name of the summary file in the folder.
        top: further files at the top of the folder, by name: texts, or JSON values.
        part: which part of a larger batch the cases are; None for a whole batch.
        retry_failed: whether cases that failed before are tried again.
        again: whether every case is run again, whatever was done before.
        task: the function that runs a case; :func:`CSAFusionLib.batch.perform.perform` when left out.
    """

    cases: list[Case]
    out: Path
    command: str
    summary: str = SUMMARY
    top: Mapping[str, Any] = field(default_factory=dict)
    part: BatchPart | None = None
    retry_failed: bool = False
    again: bool = False
    task: Task | None = None

    def run(self, engine: Callable[[], AbstractContextManager[Client]], tell: Tell) -> Tally:
        """Run the cases that are not done yet, and return the counts; starts no engine where nothing is left to do.

        Raises:
            InputError: another command works in the folder.
            SchedulerGone: the scheduler ended, or none answers.
            Interrupted: the user asked to stop.
        """
        with held(self.out, self.part) as is_alone:
            if not is_alone:
                _log.warning("The disk of the results does not support locks; run no other command in that folder.")
            return self._run(engine, tell)

    def _run(self, engine: Callable[[], AbstractContextManager[Client]], tell: Tell) -> Tally:
        to_do: list[Case] = []
        tally = Tally()
        # One at a time: the records of ten thousand cases would fill the memory.
        summary = Summary(self.out / self.summary, [case.name for case in self.cases], self._before(to_do, tally))
        self._write_top()
        with summary:
            if to_do:
                with engine() as client:
                    self._do(client, to_do, summary, tally, tell)
        for place, prefix in ((self.out, STAGING), (Path(tempfile.gettempdir()), PREFIX)):
            sweep(place, prefix)
        return tally

    def _do(self, client: Client, to_do: list[Case], summary: Summary, tally: Tally, tell: Tell) -> None:
        task = self.task or partial(perform, out=self.out, command=self.command)
        try:
            for record in self._records(outcomes(client, task, to_do)):
                summary.add(record)
                tally.count(record, now=True)
                tell(record, tally.done + tally.failed, len(to_do))
        except KeyboardInterrupt:
            ended_now = tally.done + tally.failed
            raise Interrupted(
                f"Stopped after {ended_now} of {len(to_do)} cases; run the same command again to continue."
            ) from None

    def _records(self, ends: Iterable[tuple[Case, Record | BaseException]]) -> Iterator[Record]:
        for case, end in ends:
            if isinstance(end, Record):
                yield end
            else:
                yield record_failure(case, self.out, _sentence(end), Run(self.command))

    def _before(self, to_do: list[Case], tally: Tally) -> Iterator[Record]:
        """Count and yield the records of the cases that have ended; add the others to those to do."""
        for case in self.cases:
            record = None if self.again else ended(case, self.out)
            if record is None or (record.failed and self.retry_failed):
                to_do.append(case)
            else:
                if not record.failed:
                    # The failure was with other settings or inputs, and the case is done.
                    (self.out / FAILED / f"{case.name}.json").unlink(missing_ok=True)
                tally.count(record, now=False)
                yield record

    def _write_top(self) -> None:
        texts = {
            name: content if isinstance(content, str) else to_json(content, indent=2) + "\n"
            for name, content in self.top.items()
        }
        if texts:
            atomic_write({self.out / name: content_writer(text) for name, text in texts.items()})


def _sentence(error: BaseException) -> str:
    """The reason why a worker did not finish a case."""
    if isinstance(error, Died):
        return str(error)
    sentence = sentence_for(error) if isinstance(error, EXPECTED) else None
    return sentence or f"An unexpected error ({type(error).__name__}: {error}); please report it."
