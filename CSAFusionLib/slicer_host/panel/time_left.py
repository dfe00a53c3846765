"""How long a stage will go on, from how long it has taken so far."""

from __future__ import annotations

import time
from collections.abc import Callable


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
    """A duration as one would say it: ``40 s``, ``3 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds, -1) if seconds > 20 else round(seconds)):.0f} s"
    return f"{seconds / 60:.0f} min"
