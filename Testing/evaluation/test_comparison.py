"""All that a comparison measures, the fidelity of colour included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from CSAFusionLib.errors import Cancelled
from CSAFusionLib.evaluation import comparison as module
from CSAFusionLib.evaluation.attainable_limit import OBJECTIVES
from CSAFusionLib.evaluation.clinical.lesions import lesion_retention
from CSAFusionLib.evaluation.compared_methods import ComparedMethod, NetworkMethod, by_method
from CSAFusionLib.evaluation.comparison import (
    Comparison,
    add_clinical_tests,
    add_limits,
    add_observer,
    compare_methods,
    fuse_all,
    measure_all,
    measure_colour,
    measure_lesions,
    middles_of_equal_parts,
    summarise_lesions,
    to_picture,
)
from CSAFusionLib.evaluation.fusion_methods import (
    OVERLAY,
    TABLE,
    average,
    maximum,
    slice_by_slice,
    with_chrominance,
)
from CSAFusionLib.fusion.colour import apply_colour_table
from CSAFusionLib.intensity.voxel_values import rgb_to_yuv
from CSAFusionLib.metrics.measure import measure
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.pairs import ImagePair, PairKind, Slab

BLACK = np.zeros((16, 16), np.float32)


def names(counts: dict[PairKind, int], wanted: int) -> list[str]:
    pairs = [
        ImagePair(a=BLACK, b=BLACK, kind=kind, name=f"{kind.value} {index}")
        for kind, count in counts.items()
        for index in range(count)
    ]
    return [pair.name for pair in middles_of_equal_parts(pairs, wanted)]


def test_pairs_stand_in_the_middle_of_equal_parts_of_their_kind() -> None:
    assert names({PairKind.CT_MRI: 9, PairKind.T1_T2: 4}, 3) == [
        "CT-MRI 1", "CT-MRI 4", "CT-MRI 7", "T1-T2 0", "T1-T2 2", "T1-T2 3",
    ]  # fmt: skip


def test_a_kind_with_few_pairs_gives_all_of_them() -> None:
    assert names({PairKind.PET_MRI: 2}, 5) == ["PET-MRI 0", "PET-MRI 1"]


COMPARED = [by_method("average", average), by_method("maximum", maximum)]


def test_every_method_fuses_every_pair_once(pairs: list[ImagePair]) -> None:
    asked: list[str] = []

    def fuse(pair: ImagePair) -> np.ndarray:
        asked.append(pair.name)
        return pair.a

    fused = fuse_all([ComparedMethod("a", fuse), *COMPARED], pairs)
    assert asked == [pair.name for pair in pairs]
    assert [list(pictures) for pictures in fused] == [["a", "average", "maximum"]] * 4
    np.testing.assert_array_equal(fused[1]["a"], (255 * pairs[1].a).round())


def test_fusing_can_be_cancelled_between_methods(pairs: list[ImagePair]) -> None:
    def cancel(stage: str, done: int, total: int) -> None:
        assert (stage, total) == ("Fusing", 8)
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        fuse_all(COMPARED, pairs, cancel)


def test_every_pair_is_measured_with_every_method_on_whole_grey_values(pairs: list[ImagePair]) -> None:
    results = measure_all(pairs, fuse_all(COMPARED, pairs))
    assert list(zip(results.index, results["pair"], results["method"], strict=True)) == [
        (place, pair.name, method) for place, pair in enumerate(pairs) for method in ("average", "maximum")
    ]
    a, b = (255 * pairs[1].a).round(), (255 * pairs[1].b).round()
    expected = measure(a, b, np.maximum(a, b))
    assert results.iloc[3][list(expected)].to_dict() == pytest.approx(expected)


def test_the_rows_tell_the_patient(pairs: list[ImagePair]) -> None:
    results = measure_all(pairs, fuse_all(COMPARED[:1], pairs))
    assert list(results["patient"]) == ["9", "9", "33", "ms-1"]


def test_a_picture_has_whole_grey_values_within_its_range() -> None:
    np.testing.assert_array_equal(to_picture(np.array([-0.1, 0.5, 1.2])), np.array([0, 128, 255], np.uint8))


METHODS = {"average": lambda kind: average, "by kind": lambda kind: maximum if kind is PairKind.CT_MRI else average}


@pytest.fixture(scope="module")
def heads() -> list[ImagePair]:
    """A pair of grey discs of each of two kinds."""
    disc = (np.hypot(*(np.indices((200, 200)) - 100)) < 80).astype(np.float32)
    return [
        ImagePair(a=0.4 * disc, b=0.5 * disc, kind=kind, name="1001") for kind in (PairKind.CT_MRI, PairKind.PET_MRI)
    ]


def test_each_lesion_of_each_pair_and_method_has_a_row(heads: list[ImagePair]) -> None:
    table = measure_lesions(METHODS, heads)
    expected = lesion_retention(maximum, heads[0].a, heads[0].b)
    rows = table[(table["kind"] == "CT-MRI") & (table["method"] == "by kind")]
    assert [retention.retention for retention in expected] == list(rows["retention"])
    assert [retention.source for retention in expected] == list(rows["source"])
    assert len(table) == 4 * len(expected)


def test_the_interval_of_the_mean_is_by_slices_where_patients_are_few(heads: list[ImagePair]) -> None:
    table = measure_lesions(METHODS, heads)
    other = table.assign(pair="1002", retention=table["retention"] + 0.2)
    summary = summarise_lesions(pd.concat([table, other])).set_index(["kind", "method"])
    mean = table.query("kind == 'CT-MRI' and method == 'average' and source == 'A'")["retention"].mean()
    low, high = map(float, summary.loc[("CT-MRI", "average"), "95 %(A)"].split(" to "))
    assert (low, high) == pytest.approx((mean, mean + 0.2), abs=1e-3)


def test_the_summary_has_mean_and_worst_decile_of_each_source(heads: list[ImagePair]) -> None:
    table = measure_lesions(METHODS, heads)
    summary = summarise_lesions(table).set_index(["kind", "method"])
    assert list(summary.index) == [(kind, method) for kind in ("CT-MRI", "PET-MRI") for method in METHODS]
    of_b = table.query("kind == 'CT-MRI' and method == 'by kind' and source == 'B'")["retention"]
    assert list(summary.loc[("CT-MRI", "by kind")][["retention(B)", "worst decile(B)"]]) == (
        pytest.approx([of_b.mean(), np.percentile(of_b, 10)])
    )
    assert summary.loc[("PET-MRI", "by kind")].equals(summary.loc[("PET-MRI", "average")])


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


def test_the_observer_is_asked_in_grey_and_in_colour_of_all_methods_but_saved_results(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "observe", lambda methods, training, pairs, progress: (list(methods), training, pairs))
    monkeypatch.setattr(
        module, "observe_in_colour", lambda methods, training, pairs, progress: (list(methods), training, pairs)
    )
    compared = [by_method("average", average), ComparedMethod("saved", lambda pair: pair.a)]
    observed = add_observer(comparison, compared, comparison.pairs[:1])
    asked = ["average"], comparison.pairs[:1], comparison.pairs
    assert observed.observer == observed.observer_in_colour == asked


def test_limits_are_measured_as_methods_are(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module, "attainable", lambda a, b, objective: np.maximum(a, b) if objective == "VIF" else (a + b) / 2
    )
    limits = add_limits(comparison).limits
    assert list(limits["method"]) == [*OBJECTIVES] * 4
    of_vif = limits[limits["method"] == "VIF"]
    ours = comparison.results[comparison.results["method"] == "ours"]
    assert list(of_vif["QABF"]) == list(ours["QABF"])


RAMP = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (3, 32, 1))
ANATOMY = np.random.default_rng(0).uniform(0.3, 0.6, RAMP.shape).astype(np.float32)


@pytest.fixture
def slabs(monkeypatch: pytest.MonkeyPatch) -> list[list[PairKind]]:
    """One volume of PET; what kinds were asked for."""
    asked: list[list[PairKind]] = []

    def read(dataset: DataSet, kinds: list[PairKind], **options: object) -> list[Slab]:
        asked.append(kinds)
        return [Slab(PairKind.PET_MRI, "one", RAMP, ANATOMY, 2.0, (1.5, 1.5))]

    monkeypatch.setattr(module, "read_slabs", read)
    return asked


def test_the_table_s_own_colours_err_least_and_the_overlay_is_always_there(slabs: list[list[PairKind]]) -> None:
    methods = {"own": lambda kind: lambda uptake, anatomy, voxel, table: apply_colour_table(uptake, table)}
    rows = measure_colour(methods, list(PairKind), DataSet(), registered=Path()).set_index("method")
    assert slabs == [[PairKind.SPECT_MRI, PairKind.PET_MRI]]
    assert rows.loc["own", "read-back error"] < 0.005 < rows.loc[OVERLAY, "read-back error"]
    assert rows.loc["own", "colour of nothing"] < 0.03 < rows.loc[OVERLAY, "read-back error"]


def test_kinds_without_uptake_are_not_even_read(slabs: list[list[PairKind]]) -> None:
    assert measure_colour({}, [PairKind.CT_MRI], DataSet(), registered=Path()).empty
    assert not slabs


def test_a_plain_method_takes_the_chrominance_of_the_table() -> None:
    rgb = with_chrominance(slice_by_slice(average))(RAMP, ANATOMY, (2.0, 1.0, 1.0), TABLE)
    own = rgb_to_yuv(apply_colour_table(RAMP, TABLE))
    inside = ((rgb > 0) & (rgb < 1)).all(axis=-1)
    np.testing.assert_allclose(rgb_to_yuv(rgb)[inside][:, 1:], own[inside][:, 1:], atol=1e-4)
    np.testing.assert_allclose(rgb_to_yuv(rgb)[inside][:, 0], ((own[..., 0] + ANATOMY) / 2)[inside], atol=1e-4)


def test_a_network_s_colour_is_bound_to_uptake() -> None:
    network = CSAFusion(NetworkConfiguration(channels=8)).eval()
    rgb = NetworkMethod(network).fuse_in_colour(RAMP, ANATOMY, (2.0, 1.0, 1.0), TABLE)
    assert np.abs(module.colour_fidelity(rgb, RAMP, TABLE)["hue error"]) < 3
    assert np.ptp(rgb[RAMP < 0.02], axis=-1).max() < 0.02
