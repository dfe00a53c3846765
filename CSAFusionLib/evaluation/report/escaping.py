"""Names of methods, pairs and patients, which anybody may have chosen, as the parts of a report can hold them."""

from __future__ import annotations

import re

from CSAFusionLib.text import printable

# An underscore inside a word is no mark.
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&#$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[-+=](?![\d.])|(?<=^\d)[.)](?=\s)")
_FORMULA = ("=", "+", "-", "@")


def for_markdown(text: str) -> str:
    """Return a text whose characters mean nothing to Markdown, neither in a line nor in a cell of a table."""
    return _MARKDOWN.sub(lambda mark: f"\\{mark[0]}", printable(text))


def for_spreadsheet(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula: after a quotation mark, which it does not show."""
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def for_plot(text: str) -> str:
    """Return a text that matplotlib takes neither for mathematics nor, by its first character, for none to be shown."""
    shown = printable(text).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown
