"""What follows from the measured pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from CSAFusionLib.evaluation.compared_methods import by_method
from CSAFusionLib.evaluation.comparison import fuse_all, measure_all
from CSAFusionLib.evaluation.fusion_methods import average
from CSAFusionLib.evaluation.statistics import (
    average_by_patient,
    by_weight,
    compare,
    interval,
    rank,
    repeated_measures_anova,
    share_of_limit,
    summarise,
    too_few_patients,
)
from CSAFusionLib.metrics.measure import INDICATORS
from CSAFusionLib.training.pairs import ImagePair


def rows(patients: int, pairs: int, spread: float, seed: int = 0) -> pd.DataFrame:
    """Values that differ from patient to patient, and hardly within one."""
    random = np.random.default_rng(seed)
    of_patient = random.normal(0, spread, patients)
    return pd.DataFrame(
        {
            "patient": [str(patient) for patient in range(patients) for _ in range(pairs)],
            "pair": [f"{patient}-{pair}" for patient in range(patients) for pair in range(pairs)],
            "value": np.repeat(of_patient, pairs) + random.normal(0, 0.01, patients * pairs),
        }
    )


def mean_of(table: pd.DataFrame) -> Callable[[np.ndarray], float]:
    values = table["value"].to_numpy()
    return lambda places: float(values[places].mean())


def test_the_interval_is_that_of_a_mean_over_patients_and_not_over_slices() -> None:
    table = rows(patients=40, pairs=10, spread=1.0)
    low, high = interval(table, mean_of(table))
    expected = 2 * 1.96 * table.groupby("patient")["value"].mean().std() / np.sqrt(40)
    assert low < table["value"].mean() < high
    assert high - low == pytest.approx(expected, rel=0.25)


def test_of_few_patients_the_slices_are_drawn() -> None:
    table = rows(patients=1, pairs=50, spread=1.0)
    low, high = interval(table, mean_of(table))
    assert 0 < high - low < 0.02


def test_no_rows_have_no_interval() -> None:
    assert np.isnan(interval(rows(0, 0, 1.0), lambda places: 0.0)).all()


def test_kinds_with_too_few_patients_are_named() -> None:
    few, many = rows(1, 3, 1.0).assign(kind="CT-MRI"), rows(6, 2, 1.0).assign(kind="T1-T2")
    assert "1 of CT-MRI;" in too_few_patients(pd.concat([few, many]))
    assert too_few_patients(many) == ""


def test_a_patient_with_many_slices_counts_no_more_than_one_with_few(pairs: list[ImagePair]) -> None:
    results = measure_all(pairs, fuse_all([by_method("average", average)], pairs))
    by_patient = average_by_patient(results)
    assert list(zip(by_patient["kind"], by_patient["patient"], by_patient["pairs"], strict=True)) == [
        ("CT-MRI", "9", 2),
        ("CT-MRI", "33", 1),
        ("T1-T2", "ms-1", 1),
    ]
    summary = summarise(by_patient)
    first, second, third, _ = results["VIF"]
    assert summary["VIF"][0] == pytest.approx(((first + second) / 2 + third) / 2)
    assert (list(summary["patients"]), list(summary["pairs"])) == ([2, 1], [3, 1])


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


def row(kind: str, method: str, ssim: float, epi: float, vif: float) -> dict[str, object]:
    return {"kind": kind, "method": method, "SSIM sum": ssim, "EPI sum": epi, "VIF": vif}


def test_each_method_is_held_against_the_limit_of_its_kind_by_what_was_optimised() -> None:
    limits = [
        row("CT-MRI", "SSIM sum", 1.6, 9, 9),
        row("CT-MRI", "EPI sum", 9, 1.4, 9),
        row("CT-MRI", "VIF", 9, 9, 0.5),
        row("CT-MRI", "balanced", 1.5, 1.2, 0.4),
        *(row("T1-T2", objective, 2, 2, 1) for objective in ("SSIM sum", "EPI sum", "VIF", "balanced")),
    ]
    methods = [row("CT-MRI", "ours", 1.2, 0.7, 0.4), row("T1-T2", "ours", 1, 1.5, 0.3)]
    shares = share_of_limit(pd.DataFrame(methods), pd.DataFrame(limits))
    balanced = 100 * (1.2 + 0.35 + 0.4) / (1.5 + 0.6 + 0.4)
    assert list(shares.loc[0]) == ["CT-MRI", "ours", *map(pytest.approx, (75, 50, 80, balanced))]
    assert list(shares.loc[1][2:]) == pytest.approx([50, 75, 30, 100 * 2.05 / 4])


def test_the_reference_is_every_terms_point_at_one() -> None:
    methods = ["reference", "0x-ssim", "0.5x-ssim", "0x-rmi", "0.5x-rmi"]
    summary = pd.DataFrame({"kind": "CT-MRI", "method": methods, "VIF": range(5)})
    points = by_weight(summary, "reference").set_index(["term", "factor"])["VIF"]
    assert points.to_dict() == {
        ("ssim", 0): 1,
        ("ssim", 0.5): 2,
        ("ssim", 1): 0,
        ("rmi", 0): 3,
        ("rmi", 0.5): 4,
        ("rmi", 1): 0,
    }


def results(**values: list[float] | np.ndarray) -> pd.DataFrame:
    """Results of one kind by one indicator: for each method its values over the pairs."""
    rows = [
        pd.DataFrame({"kind": "CT-MRI", "method": method, "VIF": np.asarray(of_method, float)})
        for method, of_method in values.items()
    ]
    return pd.concat(rows)


def compared(**values: list[float] | np.ndarray) -> pd.DataFrame:
    return compare(results(**values), "ours", ["VIF"]).set_index("method")


def normal(mean: float, seed: int, count: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, count)


def skewed(count: int) -> np.ndarray:
    """Distinct values, one far from the others."""
    return np.append(np.arange(1, count) / 100, 50)


def test_the_anova_gives_a_result_worked_by_hand() -> None:
    # Sums of squares: methods 42, pairs 6, all 52, so 4 are left: F = (42 / 2) / (4 / 4). What is left differs in one
    # direction only (between the last two methods), so the degrees of freedom, 2 and 4, are halved.
    f, p = repeated_measures_anova(np.array([[1.0, 2, 6], [2, 4, 6], [3, 3, 9]]))
    assert f == pytest.approx(21)
    assert p == pytest.approx(stats.f.sf(21, 1, 2))


def test_the_anova_of_two_methods_is_the_paired_t_test() -> None:
    values = np.random.default_rng(0).random((9, 2))
    f, p = repeated_measures_anova(values)
    t = stats.ttest_rel(*values.T)
    assert (f, p) == pytest.approx((t.statistic**2, t.pvalue))


def test_normal_differences_are_compared_by_anova_and_t_tests() -> None:
    table = compared(ours=normal(10, 0), low=normal(5, 1), like=normal(10, 2))
    assert set(table["test"]) == {"repeated-measures ANOVA"}
    assert set(table["paired test"]) == {"t"}
    assert table["p"]["low"] < 1e-10
    assert table["adjusted p"]["low"] == pytest.approx(2 * stats.ttest_rel(normal(10, 0), normal(5, 1)).pvalue)
    assert list(table["verdict"]) == ["better", "no difference"]


def test_other_differences_are_compared_by_friedman_and_wilcoxon() -> None:
    table = compared(ours=np.zeros(8), low=-skewed(8), lower=-2 * skewed(8))
    assert set(table["test"]) == {"Friedman"}
    assert table["statistic"]["low"] == pytest.approx(
        8 * 2
    )  # every pair ranks the methods alike: pairs x (methods - 1)
    assert set(table["paired test"]) == {"Wilcoxon"}
    assert table["adjusted p"]["low"] == pytest.approx(2 * 2 / 2**8)
    assert set(table["verdict"]) == {"better"}


def test_a_method_that_is_better_than_ours_is_said_to_be() -> None:
    table = compared(ours=np.zeros(20), high=normal(5, 1), higher=normal(9, 2))
    assert list(table["verdict"]) == ["worse", "worse"]
    assert (table["difference"] < 0).all()


def test_p_is_multiplied_by_the_number_of_comparisons_and_stays_below_one() -> None:
    table = compared(ours=normal(0, 0), a=normal(0, 1), b=normal(0, 2), c=normal(0, 3), d=normal(0, 4))
    p = stats.ttest_rel(normal(0, 0), normal(0, 1)).pvalue
    assert table["adjusted p"]["a"] == pytest.approx(min(1, 4 * p))
    assert table["adjusted p"].max() == 1


def test_two_methods_get_the_paired_test_alone() -> None:
    table = compared(ours=normal(1, 0), other=normal(0, 1))
    assert list(table["test"]) == ["paired only"]
    assert table["adjusted p"]["other"] == pytest.approx(stats.ttest_rel(normal(1, 0), normal(0, 1)).pvalue)


def test_a_method_equal_to_ours_does_not_differ() -> None:
    table = compared(ours=normal(1, 0), copy=normal(1, 0), low=normal(-5, 1))
    assert (table["adjusted p"]["copy"], table["verdict"]["copy"]) == (1, "no difference")


def test_with_too_few_pairs_it_says_so() -> None:
    table = compared(ours=[2.0, 3.0], low=[1.0, 1.0])
    assert list(table["test"]) == ["too few pairs"]
    assert table["difference"]["low"] == pytest.approx(1.5)


def test_kinds_are_tested_apart_and_in_their_order() -> None:
    both = pd.concat([results(ours=normal(9, 0), low=normal(0, 1)), results(ours=normal(0, 0), low=normal(9, 1))])
    both["kind"] = ["SPECT-MRI"] * 40 + ["CT-MRI"] * 40
    table = compare(both, "ours", ["VIF"])
    assert list(zip(table["kind"], table["verdict"], strict=True)) == [("SPECT-MRI", "better"), ("CT-MRI", "worse")]
