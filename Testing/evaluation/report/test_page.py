from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.evaluation.report.page import to_html
from CSAFusionLib.evaluation.report.tables import tables_of


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
