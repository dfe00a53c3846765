"""How a long job reports where it is, and how it is cancelled."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called often by every long job; raises :class:`CSAFusionLib.errors.Cancelled` to stop it."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` steps of ``stage`` are over; ``total`` 0 means it cannot be known."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing and never cancel."""
