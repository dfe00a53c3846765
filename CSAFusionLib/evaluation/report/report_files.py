"""The files of a report: Markdown, CSV, and one HTML page that needs no network and no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.evaluation.report.cells import Cell, Table, for_markdown, for_spreadsheet
from CSAFusionLib.evaluation.report.figures import box_plots, curves, panels_of, to_svg
from CSAFusionLib.evaluation.report.tables import tables_of
from CSAFusionLib.text import printable
from CSAFusionLib.training.pairs import PairKind


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


_TEMPLATE = "page.html.j2"


def to_html(comparison: Comparison, tables: Sequence[Table], about: Sequence[str]) -> str:
    """Return the page: tables, box plots and curves of each kind, image panels.

    Args:
        about: what was compared on what, a sentence each.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, finalize=_shown,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"png": _png, "svg": _svg}
    kinds = [_kind(comparison, PairKind(kind)) for kind in comparison.results["kind"].unique()]
    return environment.get_template(_TEMPLATE).render(tables=tables, kinds=kinds, about=about, ours=comparison.ours)


def _shown(value: object) -> object:
    return printable(value) if isinstance(value, str) else value


def _kind(comparison: Comparison, kind: PairKind) -> dict[str, object]:
    results = comparison.results[comparison.results["kind"] == kind.value]
    return {
        "name": kind.value,
        "boxes": box_plots(results, comparison.ours),
        "curves": curves(results, comparison.ours),
        "panels": panels_of(comparison, kind),
    }


def _png(picture: np.ndarray) -> str:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG", optimize=True)
    return _data_address("image/png", content.getvalue())


def _svg(figure: Figure) -> str:
    return _data_address("image/svg+xml", to_svg(figure))


def _data_address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


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
