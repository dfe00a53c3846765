"""How near each method comes to what is attainable at all."""

from __future__ import annotations

import pandas as pd

from CSAFusionLib.evaluation.limit import OBJECTIVES

_OPTIMISED = ["SSIM sum", "EPI sum", "VIF"]
"""What the weights of an objective are for, in their order."""


def share_of_limit(summary: pd.DataFrame, limits: pd.DataFrame) -> pd.DataFrame:
    """Return, for each kind and method, how much it has of each objective's attainable value, in percent.

    Args:
        summary: a row for each kind and method, as :func:`CSAFusionLib.evaluation.table.summarise` gives.
        limits: the same for the images that were optimised, the objective in place of the method.
    """
    shares = summary[["kind", "method"]].copy()
    for objective, weights in OBJECTIVES.items():
        best = limits[limits["method"] == objective].set_index("kind")[_OPTIMISED] @ list(weights)
        reached = summary[_OPTIMISED] @ list(weights)
        shares[objective] = 100 * reached / summary["kind"].map(best)
    return shares
