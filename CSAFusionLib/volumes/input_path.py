"""Check the path of an input, find the files that a header names, and choose one of several volumes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from CSAFusionLib.errors import InputError


def check_input_path(path: Path) -> bool:
    """Check that an input can be opened and read to its end; returns whether it is a folder.

    Raises InputError, which names the path, when it does not exist, cannot be reached (a loop of links, a name too
    long, no permission), or is neither a regular file nor a folder: reading a pipe or a device may never end.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"'{path}' does not exist; check the path.") from None
    # A path that holds a null character is a ValueError, a loop of links a RuntimeError before Python 3.13.
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"'{path}' cannot be opened ({reason(error)}); check the path.") from error
    if stat.S_ISDIR(mode):
        return True
    if not stat.S_ISREG(mode):
        raise InputError(f"'{path}' is a pipe or a device; give a file or a folder.")
    if not os.access(path, os.R_OK):
        raise InputError(f"You may not read '{path}'; change its permissions or copy it.")
    return False


def reason(error: Exception) -> str:
    """Return the system's own words for why a path failed, without the path."""
    return str(getattr(error, "strerror", None) or error).lower()


_MOST_FILES = 100_000
# One whole number, as printf writes it; printf itself must not get the pattern of a damaged header.
_NUMBER = re.compile(r"%0?(\d{0,2})[diu]")


def numbered_files(folder: Path, pattern: str, limits: Sequence[str]) -> tuple[Path, ...]:
    """Return the files that a pattern such as ``slice%03d.raw`` names for the numbers from first to last, in steps.

    limits: first, last and step as text. Returns nothing if the pattern or the numbers are invalid.
    """
    place = _NUMBER.search(pattern)
    if place is None or not all(re.fullmatch(r"-?\d{1,9}", limit) for limit in limits):
        return ()
    first, last, step = (int(limit) for limit in limits)
    if step == 0 or abs(last - first) // abs(step) >= _MOST_FILES:
        return ()
    numbers = range(first, last + (1 if step > 0 else -1), step)
    filled = "0" if place[0].startswith("%0") else " "
    names = (f"{number:{filled}>{place[1] or 0}}" for number in numbers)
    return tuple(folder / (pattern[: place.start()] + name + pattern[place.end() :]) for name in names)


def listed_files(header: Path, *, after: bytes, folder: Path) -> tuple[Path, ...]:
    """Return the files that the lines of a header name, from the line that ends in ``after`` (and a number) on."""
    text = header.read_bytes()
    start = re.search(rb"^[^\n]*" + after + rb"[ \t\d]*\r?\n", text, re.MULTILINE)
    if start is None:
        return ()
    names = [line.strip() for line in text[start.end() :].decode("utf-8", "replace").splitlines()]
    return tuple(folder / name for name in filter(None, names[:_MOST_FILES]))


ALL, MEAN = "all", "mean"
"""Every volume of a source that holds several, and their mean."""

_LISTED = 8


def names_a_series(choice: str | None) -> bool:
    """Whether a choice of a volume is ``all``, ``N,all`` or the like."""
    return choice is not None and ALL in (part.strip().lower() for part in choice.split(","))


class SeveralVolumesError(InputError):
    """A file or series holds several volumes and none was chosen; the message lists them by number."""


def chosen(name: str, volumes: Sequence[tuple[str, int]], number: int | None) -> int:
    """Return the index of the chosen volume, from 0.

    Args:
        name: what the message calls the source.
        volumes: a description, "" where there is none, and the count of slices of each.
        number: which one, from 1; None for the only one.

    Raises:
        SeveralVolumesError: there are several and ``number`` is None.
        InputError: there is no volume of that number.
    """
    if number is None and len(volumes) > 1:
        raise SeveralVolumesError(
            f"'{name}' holds {len(volumes)} volumes: {_listed(volumes)}; choose one by its number with --volume."
        )
    if number is not None and not 1 <= number <= len(volumes):
        there = "1 volume" if len(volumes) == 1 else f"{len(volumes)} volumes"
        raise InputError(f"'{name}' holds {there}, so there is no volume {number}; choose from 1 to {len(volumes)}.")
    return 0 if number is None else number - 1


def _listed(volumes: Sequence[tuple[str, int]]) -> str:
    shown = [_described(number, *volume) for number, volume in enumerate(volumes[:_LISTED], start=1)]
    return ", ".join(shown) + (f", ... {len(volumes)}" if len(volumes) > _LISTED else "")


def _described(number: int, description: str, slices: int) -> str:
    count = "1 slice" if slices == 1 else f"{slices} slices"
    return f"{number} ({description}, {count})" if description else f"{number} ({count})"
