"""Trainings that differ in the weight of one term of the loss, in order: the article's Figure 12."""

from __future__ import annotations

import pandas as pd


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
