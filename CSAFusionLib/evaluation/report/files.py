"""The files of a report."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.evaluation.report.escaping import for_spreadsheet
from CSAFusionLib.evaluation.report.markdown import to_markdown
from CSAFusionLib.evaluation.report.page import to_html
from CSAFusionLib.evaluation.report.tables import tables_of


def report_files(comparison: Comparison, about: Sequence[str]) -> dict[str, str]:
    """Return the content of each file by its name: what was measured as CSV, all tables as Markdown, and the page.

    Args:
        about: what was compared on what, a sentence each.
    """
    tables = tables_of(comparison)
    measured = {
        "pairs.csv": comparison.results,
        "summary.csv": comparison.summary,
        "statistics.csv": comparison.statistics,
        "lesions.csv": comparison.lesions,
        "flicker.csv": comparison.flicker,
        "colour.csv": comparison.colour,
        "observer.csv": comparison.observer,
        "limits.csv": comparison.limits,
    }
    return {
        **{name: _csv(rows) for name, rows in measured.items() if rows is not None and not rows.empty},
        "summary.md": to_markdown(tables, about, comparison.ours),
        "report.html": to_html(comparison, tables, about),
    }


def _csv(rows: pd.DataFrame) -> str:
    texts = {name: column.map(_cell) for name, column in rows.select_dtypes(exclude="number").items()}
    return rows.assign(**texts).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def _cell(value: object) -> object:
    return for_spreadsheet(value) if isinstance(value, str) else value
