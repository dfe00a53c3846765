"""A report as one HTML page that needs nothing else: no network, no files beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.evaluation.report.layout import Table
from CSAFusionLib.evaluation.report.panels import panels_of
from CSAFusionLib.evaluation.report.plots import box_plots, curves, to_svg
from CSAFusionLib.text import printable
from CSAFusionLib.training.pairs import PairKind

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
