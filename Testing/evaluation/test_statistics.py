from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from CSAFusionLib.evaluation.statistics import compare, repeated_measures_anova


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
