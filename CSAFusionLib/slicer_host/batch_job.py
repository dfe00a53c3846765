"""A batch while Slicer stays alive: what lies in the scene is saved bit by bit, then a child process does the cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.child import BatchProcess, Pair, Row
from CSAFusionLib.errors import CSAFusionError, InputError
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.processes import find_program
from CSAFusionLib.registration.methods import Method
from CSAFusionLib.slicer_host.batch import ScenePair


def process_of(
    pairs: Sequence[Pair | Case], out: Path, settings: FusionSettings, jobs: int | None, retry_failed: bool
) -> BatchProcess:
    """The batch of these pairs in a process of the Python that Slicer ships, not started yet."""
    methods = {pair.settings.registration if isinstance(pair, Case) else settings.registration for pair in pairs}
    brainsfit = brainsfit_program() if Method.BRAINS in methods else None
    return BatchProcess(pairs, out, settings, jobs=jobs, retry_failed=retry_failed, brainsfit=brainsfit)


def brainsfit_program() -> Path | None:
    """The BRAINSFit that Slicer ships, as a program of its own; None leaves it to the PATH.

    Raises InputError where there is neither.
    """
    module = getattr(slicer.modules, "brainsfit", None)
    folder = Path(module.path).parent if module is not None else Path()
    shipped = [folder / name for name in ("BRAINSFit", "BRAINSFit.exe")] if module is not None else []
    found = next((file for file in shipped if file.is_file()), None)
    if found is None and find_program("BRAINSFit") is None:
        raise InputError(_("This Slicer ships no BRAINSFit that runs on its own; choose another method for a batch."))
    return found


class BatchJob:
    """One batch: start it, poll it until it has ended, or stop it. What is done stays.

    Args:
        pairs: what to fuse; pairs of the scene are saved into the folder first, one volume at each poll.
        out, settings, jobs, retry_failed: as :class:`CSAFusionLib.batch.child.BatchProcess` takes them.
    """

    def __init__(
        self,
        pairs: Sequence[Pair | Case | ScenePair],
        out: Path,
        settings: FusionSettings,
        *,
        jobs: int | None = None,
        retry_failed: bool = False,
    ) -> None:
        self._pairs = list(pairs)
        self._out = out
        self._choices = (settings, jobs, retry_failed)
        self._steps: Iterator[None] | None = None
        self._process: Any = None

    def start(self) -> None:
        """Start it. Raises InputError where it cannot be started."""
        ready = [pair for pair in self._pairs if not isinstance(pair, ScenePair)]
        if len(ready) < len(self._pairs):
            self._steps = self._save_and_start()
        else:
            self._start_process(ready)

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended yet."""
        return self.is_saving or (self._process is not None and self._process.is_running)

    @property
    def is_saving(self) -> bool:
        """Whether volumes of the scene are being saved."""
        return self._steps is not None

    def poll(self) -> list[Row]:
        """The cases that have ended since the last call; waits for no more than one volume to be saved.

        Raises InputError, once, when the batch as a whole has failed.
        """
        if self._steps is not None:
            try:
                if next(self._steps, self) is self:
                    self._steps = None
            except CSAFusionError:
                self._steps = None
                raise
            return []
        return self._process.poll() if self._process is not None else []

    def stop(self) -> None:
        """Ask it to end, without waiting; it runs until :meth:`poll` has seen its end."""
        self._steps = None
        if self._process is not None:
            self._process.stop()

    def cancel(self) -> None:
        """End it, and wait until it has ended."""
        self._steps = None
        if self._process is not None:
            self._process.cancel()

    def _save_and_start(self) -> Iterator[None]:
        ready: list[Pair | Case] = []
        for pair in self._pairs:
            if not isinstance(pair, ScenePair):
                ready.append(pair)
                continue
            for case in pair.saved(self._out):
                if case is not None:
                    ready.append(case)
                yield
        self._start_process(ready)

    def _start_process(self, pairs: Sequence[Pair | Case]) -> None:
        process = process_of(pairs, self._out, *self._choices)
        process.start()
        self._process = process
