"""A batch beside Slicer: scene volumes are saved one at a time, then a child process fuses the cases.

Another child process writes the page on which the cases are reviewed; the browser shows it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.child import BatchProcess, Pair, Row
from CSAFusionLib.errors import CSAFusionError, InputError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.processes import ModuleProcess, find_program
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


PAGE = "qc.html"
_LOG = "page.log"


class QualityPage:
    """``csafusion qc`` in a child process: start it, poll it until the page is there, or end it."""

    def __init__(self) -> None:
        self._process: ModuleProcess | None = None
        self._folder = Path()

    @property
    def is_being_made(self) -> bool:
        """Whether it has been started and :meth:`poll` has not seen its end yet."""
        return self._process is not None

    def start(self, folder: Path) -> None:
        """Begin to write the page of the cases in a folder. Raises InputError where no process can be started."""
        self.end()
        self._folder = folder.absolute()
        try:
            files = OwnedFolder()
            with open(files.path / _LOG, "w", encoding="utf-8") as log:
                self._process = ModuleProcess(
                    "CSAFusionLib.cli", "qc", str(self._folder), files=files, stdout=subprocess.DEVNULL, stderr=log
                )
        except OSError as error:
            text = _("The quality page could not be begun ({reason}); check the free disk space.")
            raise InputError(text.format(reason=error.strerror or error)) from error

    def poll(self) -> Path | None:
        """The page, once it is written; does not wait. Raises InputError, once, when it cannot be written."""
        if self._process is None or self._process.poll() is None:
            return None
        code = self._process.returncode
        lines = (self._process.files.path / _LOG).read_text(encoding="utf-8", errors="replace").splitlines()
        self.end()
        if code != 0:
            said = next((line.strip() for line in reversed(lines) if line.strip()), "")
            raise InputError(said or _("The quality page could not be written; look into the folder of the batch."))
        return self._folder / PAGE

    def end(self) -> None:
        """Stop writing it."""
        process, self._process = self._process, None
        if process is not None:
            process.dismiss()


def show_page(page: Path) -> str:
    """Show a page in the browser; returns a sentence that says so, or what to do where there is none."""
    if qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(page))):
        return _("The quality page is open in the browser: '{page}'.").format(page=page)
    return _("No browser could be started; open '{page}'.").format(page=page)
