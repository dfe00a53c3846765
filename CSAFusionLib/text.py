"""Text that others wrote, such as names of files, where it is shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text with a question mark for every character that is none to be seen, such as a terminal's commands."""
    return "".join(one if one.isprintable() else "?" for one in text)
