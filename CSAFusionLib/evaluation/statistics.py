"""Statistics of the measured pairs: means, ranks, shares of the attainable limit, scans of loss weights, and tests.

Confidence intervals come from a bootstrap over patients. A difference between our method and another is tested over
pairs, kind by kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from CSAFusionLib.evaluation.attainable_limit import OBJECTIVES
from CSAFusionLib.metrics.measure import INDICATORS

FEWEST_PATIENTS = 5
"""With fewer patients, slices are drawn instead, and the interval does not generalise to other patients."""
_DRAWS = 200


def interval(rows: pd.DataFrame, statistic: Callable[[np.ndarray], float], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % confidence interval of a statistic of rows, by drawing patients with replacement.

    Args:
        rows: with the columns ``patient`` and ``pair``.
        statistic: takes the places of rows, (N,), with some drawn more than once.
        seed: of the draws.

    Returns:
        The 2.5th and the 97.5th percentile over 200 draws; nan for no rows.
    """
    if rows.empty:
        return float("nan"), float("nan")
    return middle_of(drawn(rows, statistic, seed))


def drawn(rows: pd.DataFrame, statistic: Callable[[np.ndarray], ArrayLike], seed: int = 0) -> np.ndarray:
    """Return a statistic, a number or an array, of each of 200 draws of patients with replacement, (200, ...).

    Args are those of :func:`interval`; there is at least one row.
    """
    unit = "patient" if rows["patient"].nunique() >= FEWEST_PATIENTS else "pair"
    groups = list(rows.groupby(unit, sort=False).indices.values())
    random = np.random.default_rng(seed)
    return np.array(
        [
            statistic(np.concatenate([groups[index] for index in random.integers(len(groups), size=len(groups))]))
            for _ in range(_DRAWS)
        ]
    )


def middle_of(values: np.ndarray) -> tuple[float, float]:
    """Return the 2.5th and the 97.5th percentile of draws (N,), those that are nan left out."""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def mean_and_interval(rows: pd.DataFrame, column: str) -> tuple[float, str]:
    """Return the mean of a column and its 95 % confidence interval, as :func:`interval` finds it, in words.

    Args:
        rows: with the columns ``patient`` and ``pair``.
        column: of numbers.
    """
    values = rows[column].to_numpy(float)
    if not len(values):
        return float("nan"), ""
    low, high = interval(rows, lambda places: float(values[places].mean()))
    return float(values.mean()), f"{low:.3f} to {high:.3f}"


def too_few_volumes(volumes: pd.DataFrame) -> str:
    """Return the warning that the volumes of some kinds are too few, naming the kinds; empty where they are enough.

    Args:
        volumes: a row for each volume and method, with the columns ``kind``, ``method`` and ``volume``.
    """
    counts = volumes.groupby(["kind", "method"], sort=False).size().groupby("kind", sort=False).max()
    few = [f"{count} of {kind}" for kind, count in counts.items() if count < FEWEST_PATIENTS]
    if not few:
        return ""
    return (
        f"Too few volumes to say what holds for others ({', '.join(few)}; {FEWEST_PATIENTS} are needed for an "
        "interval): the figures hold for these volumes only."
    )


def too_few_patients(rows: pd.DataFrame) -> str:
    """Return the warning that the patients of some kinds are too few, naming the kinds; empty where they are enough.

    Args:
        rows: with the columns ``kind`` and ``patient``.
    """
    patients = rows.groupby("kind", sort=False)["patient"].nunique()
    few = [f"{count} of {kind}" for kind, count in patients.items() if count < FEWEST_PATIENTS]
    if not few:
        return ""
    return (
        f"Too few patients to say what holds for others ({', '.join(few)}; {FEWEST_PATIENTS} are needed): there the "
        "intervals are over slices, and hold for these patients only."
    )


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
            :func:`CSAFusionLib.training.trainings.loss_variants` names.
    """
    varied = summary[summary["method"] != reference]
    names = varied["method"].str.split("x-", n=1, expand=True)
    varied = varied.assign(term=names[1], factor=names[0].astype(float))
    unchanged = summary[summary["method"] == reference].assign(factor=1.0)
    repeated = unchanged.merge(pd.DataFrame({"term": varied["term"].unique()}), how="cross")
    return pd.concat([repeated, varied[varied["factor"] != 1]], ignore_index=True)


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
            :func:`CSAFusionLib.evaluation.comparison.measure_all` gives.
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
    # The test is undefined for equal values; they do not rule out tests that assume normality.
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
