"""The command ``csafusion`` and its commands."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from CSAFusionLib.cli.user_errors import BAD_INPUT, explains_errors
from CSAFusionLib.memory.exhaustion import RAN_OUT, is_out_of_memory

app = typer.Typer(
    help="Fuse two medical images into one. Research use only, not for diagnosis.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _commands() -> tuple[Callable[..., None], ...]:
    from CSAFusionLib.cli.ablate import ablate
    from CSAFusionLib.cli.average import average
    from CSAFusionLib.cli.demo import demo
    from CSAFusionLib.cli.evaluate import evaluate
    from CSAFusionLib.cli.fuse import fuse
    from CSAFusionLib.cli.register import register
    from CSAFusionLib.cli.train import train

    return fuse, register, train, average, evaluate, ablate, demo


try:
    _found = _commands()
except (ImportError, OSError, MemoryError) as error:
    # The libraries alone may be more than a process is allowed.
    if not is_out_of_memory(error):
        raise
    typer.echo(RAN_OUT, err=True)
    sys.exit(BAD_INPUT)
for _command in _found:
    app.command()(explains_errors(_command))
