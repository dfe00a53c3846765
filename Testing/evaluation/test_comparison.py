from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from CSAFusionLib.evaluation import comparison as module
from CSAFusionLib.evaluation.compared_methods import ComparedMethod, by_method
from CSAFusionLib.evaluation.comparison import Comparison, add_clinical_tests, add_limits, compare_methods
from CSAFusionLib.evaluation.limit import OBJECTIVES
from CSAFusionLib.evaluation.methods.baselines import average, maximum
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.pairs import ImagePair, PairKind


@pytest.fixture
def comparison(pairs: list[ImagePair]) -> Comparison:
    return compare_methods([by_method("average", average), by_method("ours", maximum)], "ours", pairs)


def test_every_pair_and_method_is_measured_and_nothing_more_is_tested(comparison: Comparison) -> None:
    assert len(comparison.results) == 4 * 2
    assert comparison.lesions is comparison.flicker is comparison.limits is None


def test_the_tables_follow_from_what_was_measured(comparison: Comparison) -> None:
    by_kind = [("CT-MRI", "average"), ("CT-MRI", "ours"), ("T1-T2", "average"), ("T1-T2", "ours")]
    assert list(comparison.summary[["kind", "method"]].itertuples(index=False, name=None)) == by_kind
    assert len(comparison.by_patient) == 3 * 2
    assert set(comparison.ranks["mean rank"]) <= {rank / 6 for rank in range(6, 13)}
    assert set(comparison.statistics["method"]) == {"average"}
    values = comparison.results.set_index(["kind", "method"])["VIF"].groupby(level=[0, 1]).mean()
    of_t1_t2 = comparison.statistics.query("kind == 'T1-T2' and indicator == 'VIF'")["difference"]
    expected = values["T1-T2", "ours"] - values["T1-T2", "average"]
    pd.testing.assert_series_equal(of_t1_t2, pd.Series(expected, of_t1_t2.index), check_names=False)


def test_clinical_tests_leave_out_saved_results_and_other_kinds(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "measure_lesions", lambda methods, pairs, progress: (list(methods), pairs))
    monkeypatch.setattr(
        module,
        "flicker_table",
        lambda methods, kinds, dataset, registered, progress: (list(methods), kinds, dataset, registered),
    )
    monkeypatch.setattr(
        module,
        "measure_colour",
        lambda methods, kinds, dataset, registered, progress: (list(methods), kinds, dataset, registered),
    )
    compared = [by_method("average", average), ComparedMethod("saved", lambda pair: pair.a)]
    tested = add_clinical_tests(comparison, compared, DataSet(), registered=Path("registered"))
    assert tested.lesions == (["average"], comparison.pairs)
    kinds = [PairKind.CT_MRI, PairKind.T1_T2]
    assert tested.flicker == tested.colour == (["average"], kinds, DataSet(), Path("registered"))
    assert tested.results is comparison.results


def test_limits_are_measured_as_methods_are(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module, "attainable", lambda a, b, objective: np.maximum(a, b) if objective == "VIF" else (a + b) / 2
    )
    limits = add_limits(comparison).limits
    assert list(limits["method"]) == [*OBJECTIVES] * 4
    of_vif = limits[limits["method"] == "VIF"]
    ours = comparison.results[comparison.results["method"] == "ours"]
    assert list(of_vif["QABF"]) == list(ours["QABF"])
