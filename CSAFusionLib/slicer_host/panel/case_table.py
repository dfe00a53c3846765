"""The table of the cases of a batch: a row a case, and below it the sentence of the one that is selected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import qt
from slicer.i18n import tr as _

from CSAFusionLib.batch.child import Row
from CSAFusionLib.slicer_host.panel.widgets import say
from CSAFusionLib.slicer_host.wording import WAITING, case_in_words

_NAME, _STATE, _WHY = range(3)
_MOST_OF_NAME = 0.45
"""How much of the width a name may take."""


class CaseTable:
    """Shows cases by their names, and how each has ended.

    Args:
        table: a QTableWidget with the columns case, state and why.
        label: shows all of the selected case's sentence.
    """

    def __init__(self, table: Any, label: Any) -> None:
        self._table = table
        self._label = label
        self._rows: dict[str, Row | None] = {}
        table.connect("itemSelectionChanged()", self._on_selection)
        self.show([])

    @property
    def names(self) -> list[str]:
        """The cases, in their order."""
        return list(self._rows)

    @property
    def ended(self) -> list[Row]:
        """How those cases ended that have."""
        return [row for row in self._rows.values() if row is not None]

    @property
    def selected(self) -> int | None:
        """The place of the selected case; None where none is."""
        place = self._table.currentRow()
        return place if 0 <= place < len(self._rows) else None

    def show(self, names: Iterable[str]) -> None:
        """Show these cases; none of them has ended."""
        self._rows = dict.fromkeys(names)
        self._table.setRowCount(0)
        self._table.setRowCount(len(self._rows))
        for place, name in enumerate(self._rows):
            self._write(place, name, None)
        self._table.visible = bool(self._rows)
        self._fit()
        self._on_selection()

    def show_end(self, row: Row) -> None:
        """Show how a case has ended; one that is not shown is left out."""
        if row.name in self._rows:
            self._rows[row.name] = row
            self._write(self.names.index(row.name), row.name, row)
            self._table.resizeColumnToContents(_STATE)
            self._on_selection()

    def _write(self, place: int, name: str, row: Row | None) -> None:
        texts = (name, WAITING, "") if row is None else (name, case_in_words(row.status, row.verdict), row.reason)
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(texts[_WHY] if column == _WHY else text)
            self._table.setItem(place, column, item)

    def _fit(self) -> None:
        """Give names and states their room; what is left is the sentences'."""
        for column in (_NAME, _STATE):
            self._table.resizeColumnToContents(column)
        most = int(_MOST_OF_NAME * self._table.width)
        self._table.setColumnWidth(_NAME, min(self._table.columnWidth(_NAME), most))

    def _on_selection(self) -> None:
        place = self.selected
        row = None if place is None else self._rows[self.names[place]]
        if row is None:
            say(self._label, "")
            return
        state = case_in_words(row.status, row.verdict)
        say(self._label, _("{name}: {state}. {why}").format(name=row.name, state=state, why=row.reason))
