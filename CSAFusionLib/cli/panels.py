"""The help of a command as plain text with options in groups, and one sentence for a wrong option.

A group of options that several commands share is a dataclass whose fields are options.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand

from CSAFusionLib.cli.terminal import BAD_INPUT
from CSAFusionLib.text import printable


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Turn each field of a command's groups into an option.

    A group is a parameter whose type is a dataclass. Typer sees its fields instead; the command gets the dataclass.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @functools.wraps(command)
    def grouped(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    seen = list(_parameters(command, hints, groups))
    grouped.__signature__ = signature(command).replace(parameters=seen)  # type: ignore[attr-defined]
    grouped.__annotations__ = {parameter.name: parameter.annotation for parameter in seen}
    return grouped


def _parameters(command: Callable[..., None], hints: dict[str, Any], groups: dict[str, Any]) -> Iterator[Parameter]:
    """The parameters that Typer sees, with real types for annotations."""
    for parameter in signature(command).parameters.values():
        if parameter.name not in groups:
            annotation = hints[parameter.name]
            yield parameter.replace(annotation=annotation, kind=Parameter.KEYWORD_ONLY)
            continue
        of_fields = get_type_hints(groups[parameter.name], include_extras=True)
        for field in fields(groups[parameter.name]):
            default = Parameter.empty if field.default is MISSING else field.default
            yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=of_fields[field.name])


def spare_validators(parameters: Iterable[Any], command: Callable[..., Any]) -> None:
    """Let a command's parameters accept values of the right type, texts and paths without a validator.

    Typer makes a pydantic validator for every parameter, also for the many that are left out, which takes longer than
    fusing two slices. It still validates the rest: numbers, choices, lists, and files that cannot be read.
    """
    hints = get_type_hints(command)
    for parameter in parameters:
        if "process_value" not in vars(parameter):
            kind = _kind_of(hints.get(parameter.name))
            parameter.process_value = functools.partial(_processed, parameter, parameter.process_value, kind)


def _kind_of(hint: Any) -> Any:
    """A type, without None where it is optional."""
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    return kinds[0] if NoneType in get_args(hint) and len(kinds) == 1 else hint


def _processed(parameter: Any, by_typer: Callable[[Any, Any], Any], kind: Any, ctx: Any, value: Any) -> Any:
    is_text = isinstance(value, str)
    if value is None and not parameter.required:
        value = () if parameter.multiple or parameter.nargs == -1 else None
    elif kind is Path and is_text and "\0" not in value and (os.access(value, os.R_OK) or not os.path.exists(value)):
        value = Path(value)
    elif kind is None or get_origin(kind) is not None or not isinstance(value, kind):
        return by_typer(ctx, value)
    return value if parameter.callback is None else parameter.callback(ctx, parameter, value)


INPUTS = "Inputs"
REGISTRATION = "Registration"
FUSION = "Fusion"
NETWORK = "Network"
OUTPUTS = "Outputs"
CASES = "Cases"
RUNNING = "Running"
WORKERS = "Workers"


class PanelCommand(TyperCommand):
    """A command whose help shows each option below the title in its ``rich_help_panel``, alike in every terminal."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the command line; the first that cannot be used ends the command with one sentence."""
        assert self.callback is not None
        spare_validators(self.get_params(ctx), self.callback)
        try:
            return super().parse_args(ctx, [_current(word) for word in args])
        except typer.BadParameter as error:
            said = error.format_message().replace("Value error, ", "").rstrip(".")
            typer.echo(f"{printable(said)}; see {ctx.command_path} --help.", err=True)
            raise typer.Exit(BAD_INPUT) from None

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group in the order in which its first option comes."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                default = "Arguments" if parameter.param_type_name == "argument" else "Options"
                title = getattr(parameter, "rich_help_panel", None) or default
                panels.setdefault(title, []).append(record)
        for title, records in panels.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _current(word: str) -> str:
    """A word of the command line, an option's former name replaced by its current one."""
    # Not at import: a process without enough memory for the libraries behind it must end with one sentence.
    from CSAFusionLib.fusion.settings import FORMER_NAMES

    option, equals, value = word.partition("=")
    former = option.removeprefix("--").replace("-", "_")
    if option.startswith("--") and former in FORMER_NAMES:
        return f"--{FORMER_NAMES[former].replace('_', '-')}{equals}{value}"
    return word


def offering(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a function that completes a partly typed value in a shell from these names."""
    known = list(names)

    def complete(incomplete: str) -> list[str]:
        return [name for name in known if name.startswith(incomplete)]

    return complete
