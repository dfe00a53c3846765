"""Plots and image panels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from CSAFusionLib.evaluation.comparison import Comparison, to_picture
from CSAFusionLib.evaluation.report.figures import box_plots, curves, panels_of, to_svg, weight_curves
from CSAFusionLib.metrics.measure import INDICATORS
from CSAFusionLib.training.pairs import ImagePair, PairKind, read_luminance
from CSAFusionLib.volumes.pictures import write_picture

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


def test_the_median_and_the_worst_pair_of_our_method_are_shown(comparison: Comparison) -> None:
    titles = [panel.title for panel in panels_of(comparison, PairKind.CT_MRI)]
    assert titles == ["CT-MRI 33002: median SSIM sum of ours", "CT-MRI 33000: lowest SSIM sum of ours"]


def test_a_pair_that_is_both_is_shown_once(comparison: Comparison) -> None:
    alone = Comparison("ours", comparison.pairs, comparison.fused, comparison.results.loc[[5]])
    assert len(panels_of(alone, PairKind.T1_T2)) == 1


def test_a_panel_has_the_sources_and_every_result_whole_and_close_up(comparison: Comparison) -> None:
    tiles = panels_of(comparison, PairKind.CT_MRI)[0].tiles
    assert [tile.title for tile in tiles] == ["CT", "MRI", "average", "maximum", "ours"]
    np.testing.assert_array_equal(tiles[1].whole, to_picture(comparison.pairs[2].b))
    np.testing.assert_array_equal(tiles[4].whole, comparison.fused[2]["ours"])
    assert {tile.close_up.shape for tile in tiles} == {(80, 80)}


def test_the_close_up_shows_where_both_sources_have_detail() -> None:
    a, b = np.random.default_rng(0).random((2, 200, 200), dtype=np.float32)
    shown = np.zeros_like(b)
    shown[110:190, 20:100] = 1
    b *= shown
    pair = ImagePair(a=a, b=b, kind=PairKind.CT_MRI, name="33001")
    results = pd.DataFrame([{"kind": "CT-MRI", "method": "ours", "SSIM sum": 1.0}])
    (panel,) = panels_of(Comparison("ours", [pair], [{}], results), PairKind.CT_MRI)
    assert (panel.tiles[1].close_up > 0).mean() > 0.9


def test_functional_pairs_are_shown_in_their_colours(tmp_path: Path) -> None:
    rgb = np.zeros((100, 100, 3), np.uint8)
    rgb[20:80, 20:80] = (200, 80, 40)
    path = tmp_path / "PET-MRI" / "PET" / "30085.png"
    path.parent.mkdir(parents=True)
    write_picture(rgb, path)
    luminance = read_luminance(path)
    pair = ImagePair(a=luminance, b=luminance / 2, kind=PairKind.PET_MRI, name="30085", source=path)
    results = pd.DataFrame([{"kind": "PET-MRI", "method": "ours", "SSIM sum": 1.0}])
    comparison = Comparison("ours", [pair], [{"ours": to_picture(luminance)}], results)
    (panel,) = panels_of(comparison, PairKind.PET_MRI)
    pet, mri, ours = (tile.whole.astype(int) for tile in panel.tiles)
    assert np.abs(pet - rgb).max() <= 2
    assert mri.ndim == 2
    assert np.abs(ours - rgb).max() <= 2
