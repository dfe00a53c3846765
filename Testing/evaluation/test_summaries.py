from __future__ import annotations

import pandas as pd
import pytest

from CSAFusionLib.evaluation.compared_methods import by_method
from CSAFusionLib.evaluation.methods.baselines import average
from CSAFusionLib.evaluation.summaries import average_by_patient, by_weight, rank, share_of_limit, summarise
from CSAFusionLib.evaluation.table import fuse_all, measure_all
from CSAFusionLib.metrics.measure import INDICATORS
from CSAFusionLib.training.pairs import ImagePair


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
