"""The files of a report."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.evaluation.report import report_files as module
from CSAFusionLib.evaluation.report.cells import Table
from CSAFusionLib.evaluation.report.report_files import report_files, to_html, to_markdown
from CSAFusionLib.evaluation.report.tables import tables_of


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
