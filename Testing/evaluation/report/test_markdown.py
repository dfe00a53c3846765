from __future__ import annotations

import pandas as pd

from CSAFusionLib.evaluation.report.layout import Table
from CSAFusionLib.evaluation.report.markdown import to_markdown


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
