from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from CSAFusionLib.evaluation.clinical.lesions import lesion_retention
from CSAFusionLib.evaluation.lesion_table import measure_lesions, summarise_lesions
from CSAFusionLib.evaluation.methods.baselines import average, maximum
from CSAFusionLib.training.pairs import ImagePair, PairKind

METHODS = {"average": lambda kind: average, "by kind": lambda kind: maximum if kind is PairKind.CT_MRI else average}


@pytest.fixture(scope="module")
def heads() -> list[ImagePair]:
    """A pair of grey discs of each of two kinds."""
    disc = (np.hypot(*(np.indices((200, 200)) - 100)) < 80).astype(np.float32)
    return [
        ImagePair(a=0.4 * disc, b=0.5 * disc, kind=kind, name="1001") for kind in (PairKind.CT_MRI, PairKind.PET_MRI)
    ]


def test_each_lesion_of_each_pair_and_method_has_a_row(heads: list[ImagePair]) -> None:
    table = measure_lesions(METHODS, heads)
    expected = lesion_retention(maximum, heads[0].a, heads[0].b)
    rows = table[(table["kind"] == "CT-MRI") & (table["method"] == "by kind")]
    assert [retention.retention for retention in expected] == list(rows["retention"])
    assert [retention.source for retention in expected] == list(rows["source"])
    assert len(table) == 4 * len(expected)


def test_the_interval_of_the_mean_is_by_slices_where_patients_are_few(heads: list[ImagePair]) -> None:
    table = measure_lesions(METHODS, heads)
    other = table.assign(pair="1002", retention=table["retention"] + 0.2)
    summary = summarise_lesions(pd.concat([table, other])).set_index(["kind", "method"])
    mean = table.query("kind == 'CT-MRI' and method == 'average' and source == 'A'")["retention"].mean()
    low, high = map(float, summary.loc[("CT-MRI", "average"), "95 %(A)"].split(" to "))
    assert (low, high) == pytest.approx((mean, mean + 0.2), abs=1e-3)


def test_the_summary_has_mean_and_worst_decile_of_each_source(heads: list[ImagePair]) -> None:
    table = measure_lesions(METHODS, heads)
    summary = summarise_lesions(table).set_index(["kind", "method"])
    assert list(summary.index) == [(kind, method) for kind in ("CT-MRI", "PET-MRI") for method in METHODS]
    of_b = table.query("kind == 'CT-MRI' and method == 'by kind' and source == 'B'")["retention"]
    assert list(summary.loc[("CT-MRI", "by kind")][["retention(B)", "worst decile(B)"]]) == (
        pytest.approx([of_b.mean(), np.percentile(of_b, 10)])
    )
    assert summary.loc[("PET-MRI", "by kind")].equals(summary.loc[("PET-MRI", "average")])
