"""The files of a report: Markdown, CSV, and one HTML page that needs no network and no other file; and their figures.

- Plots of one kind of pair: the spread of each indicator, and its course from pair to pair.
- Image panels: the sources and every method's result for a few telling pairs, whole and close up.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.colors import TABLEAU_COLORS
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from scipy import ndimage

from CSAFusionLib.evaluation.comparison import Comparison, to_picture
from CSAFusionLib.evaluation.report.tables import Cell, Table, for_markdown, for_plot, for_spreadsheet, tables_of
from CSAFusionLib.fusion.colour import Source
from CSAFusionLib.fusion.colouring import to_rgb
from CSAFusionLib.metrics.measure import INDICATORS
from CSAFusionLib.text import printable
from CSAFusionLib.training.pairs import ImagePair, PairKind
from CSAFusionLib.volumes.pictures import read_picture


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
        "observer_in_colour.csv": comparison.observer_in_colour,
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


_COLUMNS = 3
_OURS = "#c0392b"
_OTHERS = [colour for name, colour in TABLEAU_COLORS.items() if name != "tab:red"]
_STYLES = ("-", "--", ":")


def box_plots(results: pd.DataFrame, ours: str) -> Figure:
    """Draw, for each indicator, a box for each method over the pairs: quartiles, 1.5 interquartile ranges, outliers.

    Args:
        results: the rows of one kind, as :func:`CSAFusionLib.evaluation.comparison.measure_all` gives.
        ours: the method in colour.
    """
    methods = list(results["method"].unique())[::-1]

    def draw(axes: Axes, indicator: str) -> None:
        values = [results.loc[results["method"] == method, indicator] for method in methods]
        names = [for_plot(method) for method in methods]
        boxes = axes.boxplot(
            values, orientation="horizontal", tick_labels=names, widths=0.6, patch_artist=True, flierprops={"ms": 3}
        )
        for method, box in zip(methods, boxes["boxes"], strict=True):
            box.set_facecolor(_OURS if method == ours else "white")
        for median in boxes["medians"]:
            median.set_color("black")
        axes.grid(axis="x", alpha=0.3)

    return _for_each_indicator(draw, height=0.9 + 0.24 * len(methods))


def curves(results: pd.DataFrame, ours: str) -> Figure:
    """Draw, for each indicator, a line for each method from pair to pair; arguments as :func:`box_plots` takes."""
    methods = list(results["method"].unique())
    of_method = {method: results[results["method"] == method] for method in methods}

    def draw(axes: Axes, indicator: str) -> None:
        for index, method in enumerate(methods):
            repeat, colour = divmod(index, len(_OTHERS))
            style = {"color": _OTHERS[colour], "ls": _STYLES[repeat % len(_STYLES)], "lw": 1}
            if method == ours:
                style = {"color": _OURS, "lw": 2.2, "zorder": 3}
            values = of_method[method][indicator].to_numpy()
            axes.plot(range(1, len(values) + 1), values, label=for_plot(method), marker=".", ms=3, **style)
        axes.grid(alpha=0.3)
        axes.set_xlabel("pair")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    figure = _for_each_indicator(draw, height=2.3)
    _legend_below(figure)
    return figure


def weight_curves(summary: pd.DataFrame) -> Figure:
    """Draw, for each indicator, a line for each term of the loss over what its weight is multiplied by.

    Args:
        summary: the rows of one kind, as :func:`CSAFusionLib.evaluation.statistics.by_weight` gives.
    """
    terms = list(summary["term"].unique())
    factors = sorted(summary["factor"].unique())
    of_term = {term: summary[summary["term"] == term].sort_values("factor") for term in terms}

    def draw(axes: Axes, indicator: str) -> None:
        for index, term in enumerate(terms):
            repeat, colour = divmod(index, len(_OTHERS))
            places = [factors.index(factor) for factor in of_term[term]["factor"]]
            style = {"color": _OTHERS[colour], "ls": _STYLES[repeat % len(_STYLES)], "lw": 1, "marker": "."}
            axes.plot(places, of_term[term][indicator], label=term, **style)
        axes.grid(alpha=0.3)
        axes.set_xticks(range(len(factors)), [f"{factor:g}" for factor in factors])
        axes.set_xlabel("times its weight")

    figure = _for_each_indicator(draw, height=2.6)
    _legend_below(figure)
    return figure


def to_svg(figure: Figure) -> bytes:
    """Return a figure as SVG, the same bytes for the same figure."""
    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "csafusion"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _legend_below(figure: Figure) -> None:
    """Explain the lines, the same in every panel, once."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), frameon=False)


def _for_each_indicator(draw: Callable[[Axes, str], None], height: float) -> Figure:
    rows = -(-len(INDICATORS) // _COLUMNS)
    figure = Figure(figsize=(11, height * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes, indicator in zip(panels.ravel(), INDICATORS, strict=True):
        draw(axes, indicator)
        axes.set_title(indicator, fontsize=10)
        axes.tick_params(labelsize=8)
    return figure


_CHOSEN_BY = "SSIM sum"
_CROP = 80  # pixels of a side


@dataclass(frozen=True)
class Tile:
    """One picture of a panel, uint8 (H, W) or (H, W, 3), and its part close up."""

    title: str
    whole: np.ndarray
    close_up: np.ndarray


@dataclass(frozen=True)
class Panel:
    """All pictures of one pair, and why it is shown."""

    title: str
    tiles: list[Tile]


def panels_of(comparison: Comparison, kind: PairKind) -> list[Panel]:
    """Return the panels of the pairs where our method's SSIM sum is in the middle, and where it is the lowest."""
    results = comparison.results
    ours = results[(results["kind"] == kind.value) & (results["method"] == comparison.ours)]
    order = ours[_CHOSEN_BY].sort_values(kind="stable").index
    chosen = {order[len(order) // 2]: "median", order[0]: "lowest"}
    return [
        _panel(comparison.pairs[place], comparison.fused[place], f"{which} {_CHOSEN_BY} of {comparison.ours}")
        for place, which in chosen.items()
    ]


def _panel(pair: ImagePair, fused: Mapping[str, np.ndarray], why: str) -> Panel:
    first, second = pair.kind.value.split("-")
    chrominance = _chrominance_of(pair)
    in_colour = {first: to_picture(pair.a), **fused}
    pictures = {name: _coloured(picture, chrominance) for name, picture in in_colour.items()}
    pictures = {first: pictures.pop(first), second: to_picture(pair.b), **pictures}
    crop = _telling_crop(pair)
    tiles = [Tile(name, picture, picture[crop]) for name, picture in pictures.items()]
    return Panel(f"{pair.kind.value} {pair.name}: {why}", tiles)


def _chrominance_of(pair: ImagePair) -> np.ndarray | None:
    """Return U, V (H, W, 2) of the functional picture; None for the kinds in grey."""
    if pair.source is None or not pair.kind.modalities[0].is_functional:
        return None
    pixels = read_picture(pair.source).astype(np.float32) / 255
    chrominance = Source.from_slices([pixels], 1).chrominance
    return None if chrominance is None else chrominance[0]


def _coloured(picture: np.ndarray, chrominance: np.ndarray | None) -> np.ndarray:
    return picture if chrominance is None else to_rgb(picture.astype(np.float32)[None] / 255, chrominance[None])[0]


def _telling_crop(pair: ImagePair) -> tuple[slice, slice]:
    """Return the square in which both sources have much detail."""
    detail = [
        ndimage.uniform_filter(ndimage.gaussian_gradient_magnitude(image, 1), _CROP) for image in (pair.a, pair.b)
    ]
    middle = np.unravel_index(np.argmax(detail[0] * detail[1]), pair.a.shape)
    starts = [
        int(np.clip(centre - _CROP // 2, 0, max(0, side - _CROP)))
        for centre, side in zip(middle, pair.a.shape, strict=True)
    ]
    return slice(starts[0], starts[0] + _CROP), slice(starts[1], starts[1] + _CROP)
