"""Tables as readers see them, before they are Markdown or HTML, and names that are safe in them.

Anybody may have chosen the names of methods, pairs and patients.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Literal

import pandas as pd

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


Best = Literal["highest", "lowest"]


@dataclass(frozen=True)
class Cell:
    """A value as it is shown, and whether it is the best of its column and kind."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """Rows that begin with the kind of pair, what is best in a column where that can be said, and how to read it."""

    title: str
    note: str
    rows: pd.DataFrame
    best: Mapping[str, Best] = field(default_factory=dict)
    decimals: int = 3

    def cells(self) -> list[list[Cell]]:
        """Return the rows as shown; of values that look the same, all are the best."""
        shown = self.rows.map(partial(_show, decimals=self.decimals))
        best = pd.DataFrame(False, self.rows.index, self.rows.columns)
        for column, which in self.best.items():
            values = self.rows[column].astype(float).round(self.decimals).groupby(self.rows["kind"])
            best[column] = values.transform(lambda of_kind, which=which: of_kind == _extreme(of_kind, which))
        return [
            [Cell(*cell) for cell in zip(texts, marks, strict=True)]
            for texts, marks in zip(shown.to_numpy(), best.to_numpy(), strict=True)
        ]

    def by_kind(self) -> list[tuple[str, list[list[Cell]]]]:
        """Return the rows of :meth:`cells` kind by kind, without the kind itself."""
        groups = groupby(self.cells(), key=lambda row: row[0].text)
        return [(kind, [row[1:] for row in rows]) for kind, rows in groups]

    def is_text(self, column: str) -> bool:
        """Whether a column holds words, not numbers."""
        return not pd.api.types.is_numeric_dtype(self.rows[column])


def _extreme(values: pd.Series, which: Best) -> float:
    return values.max() if which == "highest" else values.min()


def _show(value: object, decimals: int) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.{decimals}f}"
    return str(value)
