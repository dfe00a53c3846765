"""The section Run: Apply, Cancel, how far a run is and how long it will go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from CSAFusionLib.slicer_host.panel.widgets import Scrolling, say
from CSAFusionLib.slicer_host.wording import stage_in_words
from CSAFusionLib.worker.events import ProgressEvent


class TimeLeft:
    """An estimate from the steps since the stage began.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage = ""
        self._began = (0.0, 0)

    def after(self, stage: str, done: int, total: int) -> float | None:
        """Seconds left when ``done`` of ``total`` steps are over, or None while that cannot be known."""
        now = self._clock()
        if stage != self._stage or done < self._began[1]:
            self._stage, self._began = stage, (now, done)
        steps = done - self._began[1]
        if steps <= 0 or total <= 0:
            return None
        return (now - self._began[0]) / steps * max(0, total - done)


def in_words(seconds: float) -> str:
    """A duration in words: ``40 s``, ``3 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds, -1) if seconds > 20 else round(seconds)):.0f} s"
    return f"{seconds / 60:.0f} min"


class RunSection:
    """Shows whether a run can start, and the running one.

    Args:
        scrolling: brings a run that starts into view.
    """

    def __init__(self, ui: Any, scrolling: Scrolling) -> None:
        self._ui = ui
        self._scrolling = scrolling
        self._time_left = TimeLeft()
        ui.progressBar.visible = False
        self._say("")

    def show_ready(self, missing: str, running: bool) -> None:
        """Let Apply be pressed, or say what is missing for it."""
        self._ui.applyButton.enabled = not missing
        self._ui.applyButton.toolTip = missing or _("Align the two volumes and fuse them.")
        self._ui.cancelButton.enabled = running
        say(self._ui.missingLabel, "" if running else missing)

    def show_start(self) -> None:
        """A run has been started."""
        self._time_left = TimeLeft()
        self.show_wait(_("Starting..."))

    def show_wait(self, text: str) -> None:
        """Show that something runs whose duration is unknown."""
        self._say(text)
        self._show_bar(0, 0)
        self._scrolling.bring(self._ui.applyButton, self._ui.progressBar, self._ui.statusLabel)

    def show_progress(self, event: ProgressEvent) -> None:
        """The stage, the count of its steps and the time left."""
        text = stage_in_words(event.stage)
        if event.total:
            text = _("{stage}: {done} of {total}").format(stage=text, done=event.done, total=event.total)
        left = self._time_left.after(event.stage, event.done, event.total)
        if left:
            text = _("{text}, about {left} left").format(text=text, left=in_words(left))
        self._say(text)
        self._show_bar(event.done, event.total)

    def show_end(self, text: str) -> None:
        """The run is over, for the reason given."""
        self._say(text)
        self._ui.progressBar.visible = False

    def _say(self, text: str) -> None:
        say(self._ui.statusLabel, text)

    def _show_bar(self, done: int, total: int) -> None:
        self._ui.progressBar.visible = True
        self._ui.progressBar.maximum = total
        self._ui.progressBar.value = done
