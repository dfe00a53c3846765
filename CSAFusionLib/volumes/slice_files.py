"""The files of a volume whose header names one file for each slice; NRRD and MetaImage have the same two ways."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_MOST_FILES = 100_000
# One whole number, as printf writes it; nothing else of printf is needed, and none of it is handed a damaged header.
_NUMBER = re.compile(r"%0?(\d{0,2})[diu]")


def numbered_files(folder: Path, pattern: str, limits: Sequence[str]) -> tuple[Path, ...]:
    """Return the files that a pattern such as ``slice%03d.raw`` names for the numbers from first to last, by a step.

    limits: first, last and step as text. Returns nothing where the pattern or the numbers make no list.
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
