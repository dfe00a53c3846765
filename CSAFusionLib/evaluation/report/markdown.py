"""A report as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from CSAFusionLib.evaluation.report.escaping import for_markdown
from CSAFusionLib.evaluation.report.layout import Cell, Table


def to_markdown(tables: Sequence[Table], about: Sequence[str], ours: str) -> str:
    """Return all tables under their titles, the best values and the name of our method in bold.

    Args:
        about: what was compared on what, a sentence each.
        ours: the method that the others are compared with.
    """
    return "\n\n".join([*map(for_markdown, about), *(_section(table, ours) for table in tables)]) + "\n"


def _section(table: Table, ours: str) -> str:
    lines = [list(table.rows.columns), ["---"] * len(table.rows.columns)]
    lines += [[_text(cell, ours) for cell in row] for row in table.cells()]
    return "\n".join([f"## {table.title}", table.note, "", *(f"| {' | '.join(line)} |" for line in lines)])


def _text(cell: Cell, ours: str) -> str:
    text = for_markdown(cell.text)
    return f"**{text}**" if cell.best or cell.text == ours else text
