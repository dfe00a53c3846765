"""The page to look through the cases of a batch, written by a child process and shown in the browser."""

from __future__ import annotations

import subprocess
from pathlib import Path

import qt
from slicer.i18n import tr as _

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.processes import ModuleProcess

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
