"""How a command ends when it cannot do what was asked: one sentence and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import typer

from CSAFusionLib.errors import Cancelled, CSAFusionError
from CSAFusionLib.files.paths import shown
from CSAFusionLib.stopping import ends_in_order
from CSAFusionLib.text import printable

BAD_INPUT = 2
CANCELLED = 130  # as a shell reports a command ended by Ctrl-C


def explains_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command say an expected error in one sentence on stderr: exit code 2, or 130 when it was cancelled.

    Asked to end by the system, it puts everything away first.
    """

    @functools.wraps(command)
    def explained(*args: object, **kwargs: object) -> None:
        try:
            with ends_in_order():
                command(*args, **kwargs)
        except (Cancelled, KeyboardInterrupt):
            _stop("Cancelled; nothing was written.", CANCELLED)
        except CSAFusionError as error:
            _stop(str(error), BAD_INPUT)
        except BrokenPipeError:
            # Whoever listened wants to hear no more: that is no error, and click knows how to end.
            raise
        except OSError as error:
            _stop(_refused(error), BAD_INPUT)

    return explained


def _refused(error: OSError) -> str:
    """What the system refused, in one sentence: no command can foresee all that a disk may do."""
    if error.filename is None:
        return f"The system refused a file ({error.strerror or error}); check the free disk space and try again."
    return f"'{shown(Path(error.filename))}' cannot be used ({error.strerror}); check the path and the disk."


def _stop(message: str, code: int) -> None:
    typer.echo(printable(message), err=True)
    raise typer.Exit(code)
