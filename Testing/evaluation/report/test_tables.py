"""Tables as readers see them, and names in them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from CSAFusionLib.evaluation.clinical.lesions import LESION_KINDS
from CSAFusionLib.evaluation.comparison import Comparison
from CSAFusionLib.evaluation.fusion_methods import OVERLAY
from CSAFusionLib.evaluation.observer import COLOURED
from CSAFusionLib.evaluation.report.report_files import _csv, box_plots, curves, to_svg
from CSAFusionLib.evaluation.report.tables import Cell, Table, for_markdown, for_plot, for_spreadsheet, tables_of


@pytest.fixture(scope="module")
def tables(comparison: Comparison) -> dict[str, Table]:
    return {table.title: table for table in tables_of(comparison)}


def column(table: Table, name: str, kind: str = "CT-MRI") -> dict[str, str]:
    """A column's texts by method."""
    place = table.rows.columns.get_loc(name)
    return {row[1].text: row[place].text for row in table.cells() if row[0].text == kind}


def test_every_part_of_the_comparison_has_a_table(tables: dict[str, Table]) -> None:
    assert list(tables) == [
        "Means", "Intervals", "Ranks", "ours against each other method", "All methods at once",
        "Lesion retention", "Artefacts", "Flicker", "Tissue consistency", "Colour",
        "Share of the attainable limit", "The attainable limit", "Balance and further metrics", "By patient",
    ]  # fmt: skip


def test_what_was_not_tested_has_none(comparison: Comparison) -> None:
    titles = [table.title for table in tables_of(replace(comparison, lesions=None, flicker=None, limits=None))]
    assert not {"Lesion retention", "Flicker", "The attainable limit"} & set(titles)
    assert "Artefacts" in titles


def test_the_means_mark_the_highest_values_and_artefacts_the_lowest(tables: dict[str, Table]) -> None:
    def best(table: Table) -> set[str]:
        return {row[1].text for row in table.cells() if any(cell.best for cell in row)}

    assert best(tables["Means"]) == {"ours"}
    assert best(tables["Artefacts"]) == {"average"}


def test_activity_has_no_best_value(tables: dict[str, Table]) -> None:
    assert not {"SF", "AG"} & set(tables["Balance and further metrics"].best)


def test_our_method_stands_against_each_other_with_difference_and_p(tables: dict[str, Table]) -> None:
    against = column(tables["ours against each other method"], "VIF")
    assert list(against) == ["average", "maximum"]
    assert against["average"].startswith("▲ +0.4")
    assert ", p <0.001" in against["average"]


def test_with_too_few_pairs_only_the_difference_is_told(tables: dict[str, Table]) -> None:
    assert column(tables["ours against each other method"], "VIF", "T1-T2")["maximum"].startswith("+0.2")
    assert set(column(tables["All methods at once"], "test", "T1-T2").values()) == {"too few pairs"}


def test_lesions_are_summed_up_for_each_source(tables: dict[str, Table]) -> None:
    assert column(tables["Lesion retention"], "retention(A)") == dict.fromkeys(("average", "maximum", "ours"), "0.500")
    assert column(tables["Lesion retention"], "worst decile(B)")["ours"] == "0.260"


def test_means_have_intervals_and_few_patients_a_warning(comparison: Comparison, tables: dict[str, Table]) -> None:
    low, high = map(float, column(tables["Intervals"], "VIF")["ours"].split(" to "))
    rows = comparison.results.query("kind == 'CT-MRI' and method == 'ours'")
    assert rows["VIF"].min() <= low < rows["VIF"].mean() < high <= rows["VIF"].max()
    for title in ("Intervals", "Lesion retention"):
        assert "Too few patients to say what holds for others (1 of CT-MRI" in tables[title].note


def test_colour_has_its_means_and_few_volumes_a_warning(tables: dict[str, Table]) -> None:
    errors = column(tables["Colour"], "read-back error", "PET-MRI")
    assert errors == {"overlay 50 %": "0.200", "ours": "0.020"}
    for title in ("Colour", "Flicker", "Tissue consistency"):
        assert "Too few volumes to say what holds for others (2 of" in tables[title].note


def test_flicker_is_told_against_the_average_where_it_is_highest(tables: dict[str, Table]) -> None:
    assert column(tables["Flicker"], "flicker", "T1-T2") == {"average": "0.550", "maximum": "0.800", "ours": "0.600"}
    highest = column(tables["Flicker"], "highest, over average's", "T1-T2")
    assert highest == {"average": "1.000", "maximum": "1.800", "ours": "1.333"}


def test_two_volumes_of_one_name_are_each_told_against_their_own_average(comparison: Comparison) -> None:
    flicker = comparison.flicker.assign(volume="ms")
    (table,) = (table for table in tables_of(replace(comparison, flicker=flicker)) if table.title == "Flicker")
    assert column(table, "highest, over average's", "T1-T2")["maximum"] == "1.800"


def test_without_the_average_flicker_is_told_alone(comparison: Comparison) -> None:
    flicker = comparison.flicker[comparison.flicker["method"] != "average"]
    (table,) = (table for table in tables_of(replace(comparison, flicker=flicker)) if table.title == "Flicker")
    assert list(table.rows.columns) == ["kind", "method", "flicker", "flicker for detail"]


def test_tissue_consistency_is_told_as_mean_and_largest_over_volumes(tables: dict[str, Table]) -> None:
    assert column(tables["Tissue consistency"], "mean", "T1-T2")["maximum"] == "8.00"
    assert column(tables["Tissue consistency"], "largest", "T1-T2")["maximum"] == "9.00"


def test_methods_are_held_against_the_limit(tables: dict[str, Table]) -> None:
    shares = column(tables["Share of the attainable limit"], "VIF")
    assert shares["ours"] == "50.0"
    assert float(shares["average"]) < float(shares["maximum"]) < 50
    assert list(column(tables["The attainable limit"], "VIF")) == ["SSIM sum", "EPI sum", "VIF", "balanced"]


def ratings_of(methods: tuple[str, ...]) -> pd.DataFrame:
    """What an observer never errs about, in slices of one patient."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "kind": "CT-MRI",
            "method": method,
            "lesion": lesion,
            "diameter": 6,
            "contrast": 0.1,
            "patient": "33",
            "pair": str(place),
            "absent": random.normal(),
            "present": random.normal() + 9,
        }
        for method in methods
        for lesion in LESION_KINDS
        for place in range(8)
    )


def test_what_the_observer_sees_is_told_with_a_warning_where_patients_are_few(comparison: Comparison) -> None:
    comparison = replace(comparison, ours="ours", observer=ratings_of(("A", "B", "ours")))
    table, against = (t for t in tables_of(comparison) if t.title.startswith("Model observer"))
    assert column(table, "same sign") == {"A": "1.000", "B": "1.000", "ours": "1.000"}
    assert table.rows["same sign, 95 %"].tolist() == ["1.00 to 1.00"] * 3
    assert against.rows["less better source"].tolist() == [0] * 4
    assert "Too few patients to say what holds for others (1 of CT-MRI;" in table.note


def test_what_the_observer_sees_in_colour_has_tables_of_its_own(comparison: Comparison) -> None:
    ratings = ratings_of(("A", "B", COLOURED, OVERLAY, "ours"))
    comparison = replace(comparison, ours="ours", observer_in_colour=ratings)
    table, against = (t for t in tables_of(comparison) if t.title.startswith("Model observer in colour"))
    assert column(table, "A only")[COLOURED] == "1.000"
    assert against.rows[f"less {OVERLAY}"].tolist() == [0] * 4
    assert "Too few patients" in table.note


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
