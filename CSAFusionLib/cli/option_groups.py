"""Groups of options that several commands share: a dataclass whose fields are options."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, signature
from typing import Any, get_type_hints


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command each field of its groups as an option of its own.

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
