"""The command ``csafusion`` and its commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from CSAFusionLib import __version__
from CSAFusionLib.cli.manners import Manners, MannersWithThreads, mannered
from CSAFusionLib.cli.option_groups import with_groups
from CSAFusionLib.cli.panels import PanelCommand
from CSAFusionLib.cli.user_errors import BAD_INPUT, explains_errors
from CSAFusionLib.memory import RAN_OUT, is_out_of_memory

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


COMMANDS = (
    "fuse",
    "register",
    "apply",
    "batch",
    "qc",
    "development.train",
    "development.average",
    "development.evaluate",
    "development.ablate",
    "development.demo",
)
"""In the order of the help. Each is the function of its name, in the file of its name in this folder."""


def _commands() -> list[Callable[..., None]]:
    """The commands that are there: Slicer installs none of the folder ``development``."""
    here = "CSAFusionLib.cli"
    is_complete = find_spec(f"{here}.development") is not None
    modules = [import_module(f"{here}.{name}") for name in COMMANDS if is_complete or "." not in name]
    return [getattr(module, module.__name__.rpartition(".")[2]) for module in modules]


try:
    _found = _commands()
except (ImportError, OSError, MemoryError) as error:
    # The libraries alone may be more than a process is allowed.
    if not is_out_of_memory(error):
        raise
    typer.echo(RAN_OUT, err=True)
    sys.exit(BAD_INPUT)
for _command in _found:
    # The workers of a batch have a thread each.
    _manners = Manners if _command.__name__ == "batch" else MannersWithThreads
    app.command(cls=PanelCommand)(with_groups(explains_errors(mannered(_command, _manners))))
