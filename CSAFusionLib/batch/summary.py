"""``summary.tsv``: a row a case, which grows as the cases end and stands in the order of the pairs at the end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from CSAFusionLib.batch.layout import Record
from CSAFusionLib.files.atomic_write import atomic_write, content_writer
from CSAFusionLib.text import printable

COLUMNS = (
    "name", "status", "verdict", "reason", "fixed", "moving", "fixed_modality", "moving_modality", "method", "model",
    "moved_mm", "rotation_degrees", "misalignment_mm", "misalignment", "warnings", "record",
)  # fmt: skip
NOTHING = "n/a"
"""Stands in an empty cell, as BIDS has it."""


class Summary:
    """The summary of a batch while it runs, used in a ``with`` block.

    No time stands in it, so that a batch that was interrupted and one that was not end with the same bytes.

    It is appended to, and put in order once, at the end: a row that is on the disk takes no memory.

    Args:
        file: where it is.
        names: of the cases, in their order.
        ended: those that had ended before, which are looked through once, one at a time.
    """

    def __init__(self, file: Path, names: Iterable[str], ended: Iterable[Record]) -> None:
        self._file = file
        self._order = {name: place for place, name in enumerate(names)}
        self._before = {record.name: self._row(record) for record in ended}

    def __enter__(self) -> Summary:
        self._write(self._before)
        self._before = {}
        self._stream = self._file.open("a+", encoding="utf-8", newline="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # From the file that was written to, whatever has been put in its place meanwhile.
        self._stream.seek(0)
        rows = {row.split("\t", 1)[0]: row for row in self._stream.readlines()[1:]}
        self._stream.close()
        self._write(rows)

    def add(self, record: Record) -> None:
        """Add a case that has ended; it is on the disk when this returns."""
        self._stream.write(self._row(record))
        self._stream.flush()

    def _write(self, rows: Mapping[str, str]) -> None:
        """Write rows by the names of their cases, in order."""
        in_order = sorted(rows, key=lambda name: self._order.get(name, len(self._order)))
        text = _line(COLUMNS) + "".join(rows[name] for name in in_order)
        atomic_write({self._file: content_writer(text)})

    def _row(self, record: Record) -> str:
        return _line(_cells(record, self._file.parent))


def _cells(record: Record, out: Path) -> list[str]:
    values = record.values
    registration: Mapping[str, Any] = values.get("registration") or {}
    metric: Mapping[str, float] = registration.get("metric") or {}
    verdict = record.verdict or {}
    off: Mapping[str, Any] = registration.get("misalignment") or {}
    return [
        record.name,
        "failed" if record.failed else "done",
        verdict.get("level", ""),
        record.sentence or verdict.get("reason", ""),
        *(values["inputs"].get(role, {}).get("path", "") for role in ("fixed", "moving")),
        *((values.get(role) or {}).get("modality", "") for role in ("fixed", "moving")),
        (registration.get("method") or "").lower(),
        (registration.get("model") or "").lower(),
        *(f"{metric[name]:.2f}" if name in metric else "" for name in ("moved_mm", "rotation_degrees")),
        "" if off.get("within_mm") is None else f"{off['within_mm']:.2f}",
        off.get("sentence", ""),
        " | ".join(values.get("warnings", [])),
        Path(os.path.relpath(record.file, out)).as_posix(),
    ]


def _line(cells: Iterable[str]) -> str:
    """Cells as a line; a tab or a line end in one would be taken for its end."""
    return "\t".join(printable(cell.strip()) or NOTHING for cell in cells) + "\n"
