"""The command ``csafusion`` and its commands, each loaded when it is called."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from CSAFusionLib import __version__
from CSAFusionLib.cli.common_options import CommonOptions, CommonOptionsWithThreads, with_common_options
from CSAFusionLib.cli.panels import PanelCommand, spare_validators, with_groups
from CSAFusionLib.cli.terminal import BAD_INPUT, EXPECTED, explains_errors, sentence_for
from CSAFusionLib.errors import NotEnoughMemory
from CSAFusionLib.memory import check_room_for_numpy_and_simpleitk, stems_from_lack_of_memory

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
"""The commands in the order of the help, each a function in the file of the same name in this folder."""


class CommandsOnDemand(Mapping[str, Any]):
    """The available commands, by name: Slicer does not install the folder ``development``."""

    def __init__(self) -> None:
        is_complete = find_spec("CSAFusionLib.cli.development") is not None
        files = [name for name in COMMANDS if is_complete or "." not in name]
        self._files = {name.rpartition(".")[2]: name for name in files}
        self._loaded: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, name: str) -> Any:
        if not self._loaded:
            # The first command loads the libraries of them all.
            check_room_for_numpy_and_simpleitk()
        if name not in self._loaded:
            self._loaded[name] = _loaded(name, self._files[name])
        return self._loaded[name]


def _loaded(name: str, file: str) -> Any:
    command = getattr(import_module(f"CSAFusionLib.cli.{file}"), name)
    # The workers of a batch have one thread each.
    common = CommonOptions if name == "batch" else CommonOptionsWithThreads
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name, cls=PanelCommand)(with_groups(explains_errors(with_common_options(command, common))))
    return get_command(alone)


class GroupOnDemand(TyperGroup):
    """The commands as a group, which loads only the one that is called."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"commands": CommandsOnDemand()})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words before the command."""
        spare_validators(self.get_params(ctx), main)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the commands, in the order of the help."""
        return list(self.commands)


app = typer.Typer(
    cls=GroupOnDemand,
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


def run() -> None:
    """Run the command of this process, and end without freeing its memory piece by piece."""
    try:
        app(prog_name="csafusion")
    except SystemExit as end:
        others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
        if isinstance(end.code, int) and all(thread.daemon for thread in others):
            _end_at_once(end.code)
        raise
    except EXPECTED as error:
        # A command explains its own errors. Here, there is no memory to load it, or no disk space for the help.
        if not (stems_from_lack_of_memory(error) or isinstance(error, NotEnoughMemory) or _is_of_system(error)):
            raise
        # Where stderr is on the same full disk, nothing can be said.
        with suppress(OSError):
            typer.echo(sentence_for(error), err=True)
        _end_at_once(BAD_INPUT)
    finally:
        # Python would otherwise search all objects of PyTorch for garbage, twice.
        gc.freeze()


def _is_of_system(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno is not None


def _end_at_once(code: int) -> None:
    """End the process after its exit handlers have run, and leave it to the system to free its memory.

    Python would otherwise first take apart the thousand modules of PyTorch, which takes longer than fusing a slice.
    """
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        # What a full disk has refused once is still in the stream, and is refused again.
        code = code or BAD_INPUT
    os._exit(code)
