"""Ranks of methods over the indicators."""

from __future__ import annotations

import pandas as pd

from CSAFusionLib.metrics.measure import INDICATORS


def rank(summary: pd.DataFrame) -> pd.DataFrame:
    """Return each method's rank by each indicator's mean within a kind, 1 the best, and the mean of its ranks.

    Methods that draw share the mean of their places.

    Args:
        summary: a row for each kind and method, as :func:`CSAFusionLib.evaluation.table.summarise` gives.

    Returns:
        A row for each kind and method, the kinds in their order, the best method of each first.
    """
    ranks = summary[["kind", "method"]].copy()
    ranks["mean rank"] = 0.0
    for indicator in INDICATORS:
        ranks[indicator] = summary.groupby("kind")[indicator].rank(ascending=False)
    ranks["mean rank"] = ranks[list(INDICATORS)].mean(axis=1)
    by_kind = [of_kind.sort_values("mean rank", kind="stable") for _, of_kind in ranks.groupby("kind", sort=False)]
    return pd.concat(by_kind, ignore_index=True)
