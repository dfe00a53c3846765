from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.evaluation.report.plots import box_plots, curves, to_svg, weight_curves
from CSAFusionLib.metrics.measure import INDICATORS

RED = to_rgba("#c0392b")


@pytest.fixture(scope="module")
def results(comparison: Comparison) -> pd.DataFrame:
    return comparison.results[comparison.results["kind"] == "CT-MRI"]


def test_each_indicator_has_boxes_of_all_methods_and_ours_is_in_colour(results: pd.DataFrame) -> None:
    panels = box_plots(results, "ours").axes
    assert [axes.get_title() for axes in panels] == list(INDICATORS)
    for axes in panels:
        assert [label.get_text() for label in axes.get_yticklabels()] == ["ours", "maximum", "average"]
        assert [box.get_facecolor() == RED for box in axes.patches] == [True, False, False]


def test_each_indicator_has_a_line_through_the_pairs_for_each_method(results: pd.DataFrame) -> None:
    figure = curves(results, "ours")
    for axes, indicator in zip(figure.axes, INDICATORS, strict=True):
        lines = {line.get_label(): line for line in axes.lines}
        assert list(lines["maximum"].get_ydata()) == list(results.query("method == 'maximum'")[indicator])
        assert list(lines["ours"].get_xdata()) == [1, 2, 3, 4, 5]
        assert [name for name, line in lines.items() if to_rgba(line.get_color()) == RED] == ["ours"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["average", "maximum", "ours"]


def test_each_term_of_the_loss_has_a_line_over_its_weight() -> None:
    rows = [(term, factor, index + factor) for index, term in enumerate(["ssim", "rmi"]) for factor in (2, 0, 1)]
    rows.append(("ssim", 5, 9))
    summary = pd.DataFrame(rows, columns=["term", "factor", "VIF"]).reindex(columns=["term", "factor", *INDICATORS])
    axes = weight_curves(summary).axes[INDICATORS.index("VIF")]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "2", "5"]
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}
    assert drawn == {"ssim": ([0, 1, 2, 3], [0, 1, 2, 9]), "rmi": ([0, 1, 2], [1, 2, 3])}


def test_many_methods_are_told_apart_by_colour_and_line(results: pd.DataFrame) -> None:
    many = pd.concat([results[results["method"] == "ours"].assign(method=f"method {index}") for index in range(20)])
    styles = {(line.get_color(), line.get_linestyle()) for line in curves(many, "method 0").axes[0].lines}
    assert len(styles) == 20


def test_no_label_leaves_the_figure(results: pd.DataFrame) -> None:
    long = results.assign(method=results["method"].replace({"maximum": "a rather long name of a method"}))
    for figure in (box_plots(long, "ours"), curves(long, "ours")):
        figure.draw_without_rendering()
        for axes in figure.axes:
            box = axes.get_tightbbox()
            assert 0 <= box.x0 < box.x1 <= figure.bbox.width
            assert 0 <= box.y0 < box.y1 <= figure.bbox.height


def test_the_same_figure_gives_the_same_bytes(results: pd.DataFrame) -> None:
    assert to_svg(curves(results, "ours")) == to_svg(curves(results, "ours"))
