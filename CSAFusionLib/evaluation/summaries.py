"""What follows from the measured pairs: means, ranks, shares of the attainable limit, and scans of loss weights."""

from __future__ import annotations

import pandas as pd

from CSAFusionLib.evaluation.limit import OBJECTIVES
from CSAFusionLib.metrics.measure import INDICATORS

_OPTIMISED = ["SSIM sum", "EPI sum", "VIF"]
"""What the weights of an objective are for, in their order."""


def average_by_patient(results: pd.DataFrame) -> pd.DataFrame:
    """Return the number of pairs and the mean of each metric, a row for each kind, method and patient."""
    groups = results.groupby(["kind", "method", "patient"], sort=False)
    means = groups.mean(numeric_only=True)
    means.insert(0, "pairs", groups.size())
    return means.reset_index()


def summarise(by_patient: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over patients of :func:`average_by_patient`, a row for each kind and method.

    A patient with many slices counts no more than one with few.
    """
    groups = by_patient.groupby(["kind", "method"], sort=False)
    means = groups.mean(numeric_only=True)
    means["pairs"] = groups["pairs"].sum()
    means.insert(0, "patients", groups.size())
    return means.reset_index()


def rank(summary: pd.DataFrame) -> pd.DataFrame:
    """Return each method's rank by each indicator's mean within a kind, 1 the best, and the mean of its ranks.

    Methods that draw share the mean of their places.

    Args:
        summary: a row for each kind and method, as :func:`summarise` gives.

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


def share_of_limit(summary: pd.DataFrame, limits: pd.DataFrame) -> pd.DataFrame:
    """Return, for each kind and method, how much it has of each objective's attainable value, in percent.

    Args:
        summary: a row for each kind and method, as :func:`summarise` gives.
        limits: the same for the images that were optimised, the objective in place of the method.
    """
    shares = summary[["kind", "method"]].copy()
    for objective, weights in OBJECTIVES.items():
        best = limits[limits["method"] == objective].set_index("kind")[_OPTIMISED] @ list(weights)
        reached = summary[_OPTIMISED] @ list(weights)
        shares[objective] = 100 * reached / summary["kind"].map(best)
    return shares


def by_weight(summary: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Return the rows of a summary by ``term`` and ``factor``; the reference stands in every term's row at factor 1.

    Args:
        summary: a row for each kind and method; the methods are the reference and what
            :func:`CSAFusionLib.training.ablation.loss_variants` names.
    """
    varied = summary[summary["method"] != reference]
    names = varied["method"].str.split("x-", n=1, expand=True)
    varied = varied.assign(term=names[1], factor=names[0].astype(float))
    unchanged = summary[summary["method"] == reference].assign(factor=1.0)
    repeated = unchanged.merge(pd.DataFrame({"term": varied["term"].unique()}), how="cross")
    return pd.concat([repeated, varied[varied["factor"] != 1]], ignore_index=True)
