"""Plots of one kind of pair: the spread of each indicator, and its course from pair to pair."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TABLEAU_COLORS
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from CSAFusionLib.evaluation.report.escaping import for_plot
from CSAFusionLib.metrics.measure import INDICATORS

_COLUMNS = 3
_OURS = "#c0392b"
_OTHERS = [colour for name, colour in TABLEAU_COLORS.items() if name != "tab:red"]
_STYLES = ("-", "--", ":")


def box_plots(results: pd.DataFrame, ours: str) -> Figure:
    """Draw, for each indicator, a box for each method over the pairs: quartiles, 1.5 interquartile ranges, outliers.

    Args:
        results: the rows of one kind, as :func:`CSAFusionLib.evaluation.table.measure_all` gives.
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
        summary: the rows of one kind, as :func:`CSAFusionLib.evaluation.summaries.by_weight` gives.
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
