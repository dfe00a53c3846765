"""A table as readers see it, before it is Markdown or HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Literal

import pandas as pd

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
