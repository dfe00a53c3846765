"""Is a difference between our method and another more than chance? Tested over pairs, kind by kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from CSAFusionLib.metrics.measure import INDICATORS

SIGNIFICANCE = 0.05
_FEWEST_PAIRS = 3
"""With fewer, neither normality nor a difference can be tested."""


def compare(results: pd.DataFrame, ours: str, indicators: Sequence[str] = INDICATORS) -> pd.DataFrame:
    """Test, for each kind and indicator, whether methods differ, and our method from each of the others.

    Where the differences of our method from every other pass Shapiro-Wilk, methods are compared by a repeated-measures
    ANOVA (degrees of freedom corrected after Greenhouse and Geisser) and paired t tests, else by Friedman's test and
    Wilcoxon's signed-rank test. All are two-sided; p of the paired tests is multiplied by their number (Bonferroni).

    Args:
        results: a row for each pair and method, the index telling the pair, as
            :func:`CSAFusionLib.evaluation.table.measure_all` gives.
        ours: the method that the others are compared with.

    Returns:
        A row for each kind, indicator and other method: the number of pairs, the smallest p of Shapiro-Wilk, the test
        over all methods with its statistic and p, the paired test, the mean difference (ours - other), its adjusted p,
        and the verdict ("better", "worse" or "no difference"). With two methods there is only the paired test, and with
        fewer than three pairs there is none: the test is then "too few pairs".
    """
    return pd.DataFrame(
        [
            {"kind": kind, "indicator": indicator, **row}
            for kind, of_kind in results.groupby("kind", sort=False)
            for indicator in indicators
            for row in _rows(_by_method(of_kind, indicator), ours)
        ]
    )


def _by_method(results: pd.DataFrame, indicator: str) -> pd.DataFrame:
    """Return one indicator as a table of pairs by methods, these in their order."""
    return results.set_index("method", append=True)[indicator].unstack()[results["method"].unique()]


def _rows(values: pd.DataFrame, ours: str) -> list[dict[str, object]]:
    others = values.columns.drop(ours)
    differences = {other: (values[ours] - values[other]).to_numpy() for other in others}
    common: dict[str, object] = {"pairs": len(values)}
    if len(values) < _FEWEST_PAIRS:
        common["test"] = "too few pairs"
        return [common | {"method": other, "difference": differences[other].mean()} for other in others]
    normality = min(_shapiro(difference) for difference in differences.values())
    normal = normality >= SIGNIFICANCE
    common |= {"Shapiro-Wilk p": normality, **_test_all(values.to_numpy(), normal)}
    return [common | {"method": other} | _test_paired(differences[other], normal, len(others)) for other in others]


def _shapiro(difference: np.ndarray) -> float:
    # Of equal values the test says nothing; they stand in no normal test's way.
    return float(stats.shapiro(difference).pvalue) if np.ptp(difference) > 0 else 1.0


def _test_all(values: np.ndarray, normal: bool) -> dict[str, object]:
    if values.shape[1] < 3:
        return {"test": "paired only"}
    if normal:
        statistic, p = repeated_measures_anova(values)
        return {"test": "repeated-measures ANOVA", "statistic": statistic, "p": p}
    statistic, p = stats.friedmanchisquare(*values.T)
    return {"test": "Friedman", "statistic": float(statistic), "p": float(p)}


def repeated_measures_anova(values: np.ndarray) -> tuple[float, float]:
    """Return F and the p of F, corrected for unequal variances of differences (Greenhouse and Geisser 1959).

    Args:
        values: (pairs, methods).
    """
    from statsmodels.stats.anova import AnovaRM

    pairs, methods = np.indices(values.shape)
    table = pd.DataFrame({"value": values.ravel(), "pair": pairs.ravel(), "method": methods.ravel()})
    f, between, within, _ = AnovaRM(table, "value", "pair", within=["method"]).fit().anova_table.iloc[0]
    correction = _sphericity(values)
    return float(f), float(stats.f.sf(f, correction * between, correction * within))


def _sphericity(values: np.ndarray) -> float:
    """Return Greenhouse and Geisser's epsilon, from 1 / (methods - 1) to 1."""
    covariance = np.cov(values, rowvar=False)
    centred = covariance - covariance.mean(axis=0) - covariance.mean(axis=1)[:, None] + covariance.mean()
    return float(np.trace(centred) ** 2 / ((len(centred) - 1) * (centred**2).sum()))


def _test_paired(difference: np.ndarray, normal: bool, comparisons: int) -> dict[str, object]:
    if normal:
        test, shift = "t", difference.mean()
    else:
        test, shift = "Wilcoxon", np.sign(difference) @ stats.rankdata(np.abs(difference))
    adjusted = min(1.0, comparisons * _paired_p(difference, normal))
    verdict = ("better" if shift > 0 else "worse") if adjusted < SIGNIFICANCE else "no difference"
    return {"paired test": test, "difference": difference.mean(), "adjusted p": adjusted, "verdict": verdict}


def _paired_p(difference: np.ndarray, normal: bool) -> float:
    if not difference.any():
        return 1.0
    return float(stats.ttest_1samp(difference, 0).pvalue if normal else stats.wilcoxon(difference).pvalue)
