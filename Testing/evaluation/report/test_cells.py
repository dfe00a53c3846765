"""Tables as readers see them, and names in them."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from CSAFusionLib.evaluation.report.cells import Cell, Table, for_markdown, for_plot, for_spreadsheet
from CSAFusionLib.evaluation.report.figures import box_plots, curves, to_svg
from CSAFusionLib.evaluation.report.report_files import _csv


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


ROWS = pd.DataFrame(
    {
        "kind": ["CT-MRI", "CT-MRI", "T1-T2"],
        "method": ["a", "b", "a"],
        "pairs": [17, 17, 4],
        "VIF": [0.12345, 0.1231, 0.9],
        "loss": [2.0, 1.0, float("nan")],
    }
)


def test_numbers_have_the_decimals_of_the_table_and_what_is_missing_is_left_blank() -> None:
    texts = [[cell.text for cell in row] for row in Table("", "", ROWS, decimals=2).cells()]
    assert texts == [
        ["CT-MRI", "a", "17", "0.12", "2.00"],
        ["CT-MRI", "b", "17", "0.12", "1.00"],
        ["T1-T2", "a", "4", "0.90", ""],
    ]


def test_the_best_is_found_within_a_kind_among_the_values_as_shown() -> None:
    def best(decimals: int) -> list[list[bool]]:
        table = Table("", "", ROWS, {"VIF": "highest", "loss": "lowest"}, decimals)
        return [[cell.best for cell in row[3:]] for row in table.cells()]

    assert best(decimals=4) == [[True, False], [False, True], [True, False]]
    assert best(decimals=2) == [[True, False], [True, True], [True, False]]


def test_without_a_best_no_cell_is_marked() -> None:
    assert not any(cell.best for row in Table("", "", ROWS).cells() for cell in row)


def test_rows_are_grouped_by_kind_in_their_order() -> None:
    groups = Table("", "", ROWS[["kind", "method"]]).by_kind()
    assert groups == [("CT-MRI", [[Cell("a")], [Cell("b")]]), ("T1-T2", [[Cell("a")]])]


def test_columns_of_words_are_told_from_those_of_numbers() -> None:
    table = Table("", "", ROWS)
    assert [column for column in ROWS if table.is_text(column)] == ["kind", "method"]
