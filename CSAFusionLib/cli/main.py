"""The command ``csafusion`` and its commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from CSAFusionLib import __version__
from CSAFusionLib.cli.panels import PanelCommand
from CSAFusionLib.cli.user_errors import BAD_INPUT, explains_errors
from CSAFusionLib.memory.exhaustion import RAN_OUT, is_out_of_memory

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"csafusion {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Fuse two medical images into one. Research use only, not for diagnosis."""


def _commands() -> tuple[Callable[..., None], ...]:
    from CSAFusionLib.cli.ablate import ablate
    from CSAFusionLib.cli.average import average
    from CSAFusionLib.cli.batch import batch
    from CSAFusionLib.cli.demo import demo
    from CSAFusionLib.cli.evaluate import evaluate
    from CSAFusionLib.cli.fuse import fuse
    from CSAFusionLib.cli.register import register
    from CSAFusionLib.cli.train import train

    return fuse, register, batch, train, average, evaluate, ablate, demo


try:
    _found = _commands()
except (ImportError, OSError, MemoryError) as error:
    # The libraries alone may be more than a process is allowed.
    if not is_out_of_memory(error):
        raise
    typer.echo(RAN_OUT, err=True)
    sys.exit(BAD_INPUT)
for _command in _found:
    app.command(cls=PanelCommand)(explains_errors(_command))
