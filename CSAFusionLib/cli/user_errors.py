"""How a command ends when it cannot do what was asked: one sentence and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable

import typer

from CSAFusionLib.errors import Cancelled, CSAFusionError

BAD_INPUT = 2
CANCELLED = 130  # as a shell reports a command ended by Ctrl-C


def explains_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command say an expected error in one sentence on stderr: exit code 2, or 130 when it was cancelled."""

    @functools.wraps(command)
    def explained(*args: object, **kwargs: object) -> None:
        try:
            command(*args, **kwargs)
        except (Cancelled, KeyboardInterrupt):
            _stop("Cancelled; nothing was written.", CANCELLED)
        except CSAFusionError as error:
            _stop(str(error), BAD_INPUT)

    return explained


def _stop(message: str, code: int) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(code)
