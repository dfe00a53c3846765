from __future__ import annotations

import pandas as pd

from CSAFusionLib.evaluation.report.layout import Cell, Table

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
