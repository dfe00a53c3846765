"""The files of a report, its plots and its image panels."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from CSAFusionLib.evaluation.comparison import Comparison, to_picture
from CSAFusionLib.evaluation.report import report_files as module
from CSAFusionLib.evaluation.report.report_files import (
    box_plots,
    curves,
    panels_of,
    report_files,
    to_html,
    to_markdown,
    to_svg,
    weight_curves,
)
from CSAFusionLib.evaluation.report.tables import Table, tables_of
from CSAFusionLib.metrics.measure import INDICATORS
from CSAFusionLib.training.pairs import ImagePair, PairKind, read_luminance
from CSAFusionLib.volumes.pictures import write_picture


def test_each_table_stands_under_its_title_with_best_values_and_our_method_in_bold() -> None:
    rows = pd.DataFrame({"kind": ["CT-MRI"] * 2, "method": ["ours", "theirs"], "VIF": [0.25, 0.5]})
    text = to_markdown([Table("Means", "A note.", rows, {"VIF": "highest"})], ["17 pairs."], "ours")
    assert text.splitlines() == [
        "17 pairs.",
        "",
        "## Means",
        "A note.",
        "",
        "| kind | method | VIF |",
        "| --- | --- | --- |",
        "| CT-MRI | **ours** | 0.250 |",
        "| CT-MRI | theirs | **0.500** |",
    ]


class Page(HTMLParser):
    """Every attribute that points somewhere, every title, and whether each element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.titles: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.open and self.open[-1] in ("h2", "h3"):
            self.titles.append(text)


@pytest.fixture(scope="module")
def html(comparison: Comparison) -> str:
    return to_html(comparison, tables_of(comparison), ["7 pairs of <val>."])


def test_it_needs_nothing_from_elsewhere(html: str) -> None:
    page = Page(html)
    assert page.open == []
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert not re.search(r"https?://|@import|url\(|<script", html)


def test_it_has_every_table_and_the_figures_and_images_of_every_kind(html: str, comparison: Comparison) -> None:
    titles = Page(html).titles
    for table in tables_of(comparison):
        assert table.title in titles
    for kind in ("CT-MRI", "T1-T2"):
        assert f"{kind}: plots and images" in titles
    assert "CT-MRI 33000: lowest SSIM sum of ours" in titles
    assert "T1-T2 ms-001: median SSIM sum of ours" in titles


def test_it_says_what_it_is_not_for_and_what_was_compared(html: str) -> None:
    assert "Research use only, not for diagnosis." in html
    assert "7 pairs of &lt;val&gt;." in html


def test_our_rows_and_the_best_values_are_marked(html: str) -> None:
    ours = re.findall(r'<tr class="ours">\s*<td class="text">(\w+)</td>', html)
    assert set(ours) == {"ours"}
    assert re.search(r'<td class="[^"]*best">1\.4', html)


def test_pictures_and_figures_are_in_the_page(html: str) -> None:
    contents = [base64.b64decode(content) for content in re.findall(r'src="data:[^"]*;base64,([^"]*)"', html)]
    figures = [content for content in contents if content.startswith(b"<?xml")]
    pictures = [content for content in contents if content.startswith(b"\x89PNG")]
    assert len(figures) == 2 * 2  # box plots and curves of two kinds
    assert len(pictures) == 2 * 5 * 4  # whole and close up: two sources and three methods, for four pairs
    assert len(contents) == len(figures) + len(pictures)


def test_the_same_comparison_gives_the_same_page(comparison: Comparison) -> None:
    short = replace(comparison, results=comparison.results[comparison.results["kind"] == "T1-T2"])
    assert to_html(short, [], []) == to_html(short, [], [])


@pytest.fixture(autouse=True)
def quick_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "to_html", lambda comparison, tables, about: about[0])


def test_there_is_a_file_for_all_that_was_measured_and_for_readers(comparison: Comparison) -> None:
    files = report_files(comparison, ["7 pairs."])
    assert list(files) == [
        "pairs.csv", "summary.csv", "statistics.csv", "lesions.csv", "flicker.csv", "colour.csv", "limits.csv",
        "summary.md", "report.html",
    ]  # fmt: skip
    assert files["summary.md"].startswith("7 pairs.\n\n## Means\n")
    assert files["report.html"] == "7 pairs."


def test_the_csv_files_hold_the_values(comparison: Comparison) -> None:
    read = pd.read_csv(io.StringIO(report_files(comparison, ["7 pairs."])["pairs.csv"]), dtype={"pair": str})
    assert list(read["pair"]) == list(comparison.results["pair"])
    assert (read["VIF"] - comparison.results["VIF"].to_numpy()).abs().max() < 1e-5


def test_what_was_not_tested_has_no_file(comparison: Comparison) -> None:
    files = report_files(replace(comparison, lesions=None, flicker=None, limits=None), ["7 pairs."])
    assert not {"lesions.csv", "flicker.csv", "limits.csv"} & set(files)


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
