"""Check the types and ranges of single settings alike, from the command line, the panel, Python or JSON.

Each function returns the value as a plain Python value, so that numpy values can be written as JSON, and raises
InputError with one sentence that names the setting, the value and what to give.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from CSAFusionLib.errors import InputError

AnEnum = TypeVar("AnEnum", bound=Enum)

LARGEST_SEED = 2**31 - 2
"""The registration engines take seeds from 1 that fit a signed 32-bit integer."""

_LONGEST_SHOWN = 60


def whole_number(value: object, what: str, hint: str, *, low: int, high: int) -> int:
    """Return a whole number from ``low`` to ``high``; a truth value is not one.

    what: the setting as a message names it, for example "batch size". hint: what to give, after "give".
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= int(value) <= high:
        raise InputError(f"The {what} is {shown(value)}; give {hint}.")
    return int(value)


def number(value: object, what: str, hint: str, *, low: float, high: float, unit: str = "") -> float:
    """Return a finite number from ``low`` to ``high``; a truth value is not one."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"The {what} is {shown(value)}; give {hint}.")
    try:
        known = float(value)
    except OverflowError:  # a whole number beyond all floats
        known = math.inf
    if not low <= known <= high or not math.isfinite(known):
        raise InputError(f"The {what} is {shown(value)}{unit}; give {hint}.")
    return known


def flag(value: object, what: str) -> bool:
    """Return a truth value; 0, 1 and "no" are refused."""
    if not isinstance(value, bool):
        raise InputError(f"The setting '{what}' is {shown(value)}; give true or false.")
    return value


def text(value: object, what: str) -> str:
    """Return a non-empty text."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise InputError(f"The {what} is {shown(value)}; give a text.")
    return value


def member(value: object, choices: type[AnEnum], what: str) -> AnEnum:
    """Return a member of an enumeration."""
    if not isinstance(value, choices):
        known = ", ".join(choice.name.lower() for choice in choices)
        raise InputError(f"The {what} is {shown(value)}; choose one of {known}.")
    return value


def parse_choice(choices: type[AnEnum], name: object, what: str) -> AnEnum:
    """Return the member of an enumeration that is called ``name``, in any case, with hyphens or underscores.

    what: the thing chosen, as the message names it, for example "plane".
    """
    spelled = name.strip().upper().replace("-", "_") if isinstance(name, str) else ""
    if spelled in choices.__members__:
        return choices[spelled]
    known = ", ".join(member.name.lower() for member in choices)
    raise InputError(f"There is no {what} {shown(name)}; choose one of {known}.")


def mapping(value: object, what: str) -> dict[str, Any]:
    """Return a mapping from texts as a dictionary."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(f"The {what} must be values by their names, not {shown(value)}.")
    return dict(value)


def entry(values: dict[str, Any], name: str) -> Any:
    """Return one value of a saved job or result by its name."""
    if name not in values:
        raise InputError(f"The saved job or result lacks '{name}'; start it again.")
    return values[name]


def texts(values: object, what: str) -> list[str]:
    """Return a list of texts."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError(f"The {what} must be a list of texts, not {shown(values)}.")
    return values


def lists_of_numbers(values: object) -> dict[str, list[float]]:
    """Return lists of numbers by name, NaN where JSON has null."""
    lists = mapping(values, "figures")
    if not all(isinstance(entries, list) for entries in lists.values()):
        raise InputError("The figures must be lists of numbers.")
    return {name: [number_or_nan(value, name) for value in entries] for name, entries in lists.items()}


def number_or_nan(value: object, what: str) -> float:
    """Return a number; NaN, which JSON writes as null, where there is none."""
    hint = "a finite number"
    return math.nan if value is None else number(value, what, hint, low=-math.inf, high=math.inf)


def shown(value: object) -> str:
    """A value as a message shows it: on one line, and short enough to read."""
    try:
        said = str(value) if isinstance(value, numbers.Number) else ascii(value)
    except ValueError:  # Python refuses to print an integer of thousands of digits.
        return "a number too long to write"
    return said if len(said) <= _LONGEST_SHOWN else f"{said[:_LONGEST_SHOWN]}..."
