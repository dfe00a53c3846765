"""A stand-in for the process of a batch: it leaves on the disk what the command would, and ends as it is told to."""

from __future__ import annotations

import json
from pathlib import Path

from CSAFusionLib.batch.child import Row
from CSAFusionLib.batch.layout import SUMMARY
from CSAFusionLib.errors import InputError


class Batches:
    """Makes the batches of a test.

    plan: what each of them tells, a row at a time; None: nothing happens any more, until it is stopped. A text is the
    error that ends it.
    """

    def __init__(self) -> None:
        self.plan: list[Row | str | None] = []
        self.made: list[Batch] = []

    def make(self, pairs, out: Path, settings, jobs: int | None, retry_failed: bool) -> Batch:
        self.made.append(Batch(pairs, out, settings, jobs, retry_failed, list(self.plan)))
        return self.made[-1]


class Batch:
    """One of them, with the surface of ``CSAFusionLib.batch.child.BatchProcess``."""

    def __init__(self, pairs, out: Path, settings, jobs: int | None, retry_failed: bool, plan: list) -> None:
        self.pairs, self.out, self.settings, self.jobs, self.retry_failed = pairs, out, settings, jobs, retry_failed
        self.is_running = self.cancelled = self.asked_to_stop = False
        self._plan = plan

    def start(self) -> None:
        assert self.pairs, "a batch without pairs"
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / SUMMARY).touch()
        self.is_running = True

    def poll(self) -> list[Row]:
        if not self.is_running:
            return []
        if not self._plan or self.asked_to_stop:
            self.is_running = False
            return []
        if self._plan[0] is None:
            return []
        told = self._plan.pop(0)
        if isinstance(told, str):
            self.is_running = False
            raise InputError(told)
        (self.out / "failed").mkdir(exist_ok=True)
        record = {"format": "csafusion-failed-case", "format_version": 1, "name": told.name}
        record |= {"inputs": {}, "settings": {}, "run": {}, "sentence": told.reason}
        (self.out / "failed" / f"{told.name}.json").write_text(json.dumps(record))
        return [told]

    def stop(self) -> None:
        self.asked_to_stop = True

    def cancel(self) -> None:
        self.cancelled, self.is_running = True, False
