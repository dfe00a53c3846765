from __future__ import annotations

import pandas as pd

from CSAFusionLib.evaluation.ranks import rank
from CSAFusionLib.metrics.measure import INDICATORS


def summary(kind: str, **values: list[float]) -> pd.DataFrame:
    """For each method its six indicators."""
    rows = [
        {"kind": kind, "method": method, **dict(zip(INDICATORS, six, strict=True))} for method, six in values.items()
    ]
    return pd.DataFrame(rows)


def test_ranks_are_averaged_over_the_indicators_and_the_best_method_comes_first() -> None:
    ranks = rank(summary("CT-MRI", low=[1, 1, 1, 1, 1, 9], middle=[2, 2, 2, 2, 2, 2], high=[3, 3, 3, 3, 3, 3]))
    assert list(ranks["method"]) == ["high", "middle", "low"]
    assert list(ranks["mean rank"]) == [(5 * 1 + 2) / 6, (5 * 2 + 3) / 6, (5 * 3 + 1) / 6]


def test_methods_that_draw_share_the_mean_of_their_places() -> None:
    ranks = rank(summary("CT-MRI", a=[5] * 6, b=[5] * 6, c=[1] * 6))
    assert list(ranks["VIF"]) == [1.5, 1.5, 3]


def test_each_kind_is_ranked_by_itself() -> None:
    both = pd.concat([summary("T1-T2", a=[1] * 6, b=[2] * 6), summary("CT-MRI", a=[9] * 6, b=[8] * 6)])
    assert list(rank(both)["kind"]) == ["T1-T2", "T1-T2", "CT-MRI", "CT-MRI"]
    assert list(rank(both)["method"]) == ["b", "a", "a", "b"]
