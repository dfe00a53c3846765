"""How a command ends when it cannot do what was asked: one sentence and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import typer

from CSAFusionLib.errors import Cancelled, CSAFusionError, Interrupted, NotEnoughMemory
from CSAFusionLib.files.atomic_write import shown
from CSAFusionLib.memory import RAN_OUT, stems_from_lack_of_memory
from CSAFusionLib.progress import ends_in_order
from CSAFusionLib.text import printable

BAD_INPUT = 2
CANCELLED = 130  # as a shell reports a command ended by Ctrl-C
EXPECTED = (CSAFusionError, MemoryError, RuntimeError, OSError, ImportError)
"""The exceptions among which are those that :func:`sentence_for` has a sentence for."""


def explains_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command say an expected error in one sentence on stderr: exit code 2, or 130 when it was cancelled.

    Expected is also that memory runs out, wherever it does, and that the system refuses a file or a folder.

    Asked to end by the system, it puts everything away first.
    """

    @functools.wraps(command)
    def explained(*args: object, **kwargs: object) -> None:
        try:
            with ends_in_order():
                command(*args, **kwargs)
        except Interrupted as error:
            _stop(str(error), CANCELLED)
        except (Cancelled, KeyboardInterrupt):
            _stop("Cancelled; nothing was written.", CANCELLED)
        except BrokenPipeError:
            # Whoever listened wants to hear no more: that is no error, and click knows how to end.
            raise
        except EXPECTED as error:
            message = sentence_for(error)
            if message is None:
                raise
            _stop(message, BAD_INPUT)

    return explained


def sentence_for(error: BaseException) -> str | None:
    """The sentence for the user; None for an unexpected failure, whose traceback is wanted."""
    if isinstance(error, NotEnoughMemory):
        return str(error)
    if stems_from_lack_of_memory(error):
        return RAN_OUT
    if isinstance(error, OSError):
        return _refused(error)
    return str(error) if isinstance(error, CSAFusionError) else None


def _refused(error: OSError) -> str:
    """What the system refused, in one sentence."""
    if error.filename is None:
        return f"The system refused a file ({error.strerror or error}); check the free disk space and try again."
    return f"'{shown(Path(error.filename))}' cannot be used ({error.strerror}); check the path and the disk."


def _stop(message: str, code: int) -> None:
    typer.echo(printable(message), err=True)
    raise typer.Exit(code)
