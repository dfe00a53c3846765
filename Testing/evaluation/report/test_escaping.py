"""Tests of names that mean something to Markdown, to a spreadsheet or to matplotlib."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from CSAFusionLib.evaluation.report.escaping import for_markdown, for_plot, for_spreadsheet
from CSAFusionLib.evaluation.report.files import _csv
from CSAFusionLib.evaluation.report.plots import box_plots, curves, to_svg


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("<script>x</script>", r"\<script\>x\</script\>"),
        ("![x](http://a)", r"!\[x\](http://a)"),
        ("*a* `b` ~c~ $d$ e&lt;", r"\*a\* \`b\` \~c\~ \$d\$ e\&lt;"),
        ("_a_ b_c", r"\_a\_ b_c"),
        ("# title", r"\# title"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("two\nlines", "two?lines"),
        ("CSAFusion -0.3, SHA-256 12 (PET-MRI)", "CSAFusion -0.3, SHA-256 12 (PET-MRI)"),
    ],
)
def test_in_markdown_a_name_is_only_a_name(text: str, escaped: str) -> None:
    assert for_markdown(text) == escaped


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", '=HYPERLINK("http://a")'])
def test_in_a_spreadsheet_no_name_is_a_formula(name: str) -> None:
    rows = pd.DataFrame({"method": [name, "plain"], "VIF": [-0.5, 1.0], "pairs": [1, -2]})
    back = pd.read_csv(io.StringIO(_csv(rows)))
    assert back["method"][0].lstrip("'?").strip() and back["method"][0][0] in "'?"
    assert for_spreadsheet("plain") == back["method"][1]
    assert list(back["VIF"]) == [-0.5, 1.0] and list(back["pairs"]) == [1, -2]


def test_in_a_figure_a_name_is_neither_mathematics_nor_hidden(comparison) -> None:
    results = comparison.results.replace({"method": {"average": r"$\frac{$", "maximum": "_hidden\x01"}})
    for figure in (box_plots(results, "ours"), curves(results, "ours")):
        svg = to_svg(figure).decode()
        assert "\x01" not in svg
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [r"\$\frac{\$", " _hidden?", "ours"]
    assert for_plot("a_b") == "a_b"
