"""Consistency of a fused volume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.evaluation.clinical import consistency
from CSAFusionLib.evaluation.clinical.consistency import (
    bottom_to_top_drift,
    flicker_for_detail,
    flicker_index,
    flicker_table,
    front_to_back_drift,
    middle,
    quarter_means,
    read_slabs,
    similarity_by_slice,
    tissue_inconsistency,
)
from CSAFusionLib.evaluation.fusion_methods import slice_by_slice
from CSAFusionLib.training.dataset import DataSet, VolumePair, read_dataset
from CSAFusionLib.training.pairs import PairKind, Slab


def test_the_aligned_volumes_give_runs_of_slices_that_both_show_the_head(shared_data: Path, tmp_path: Path) -> None:
    dataset = read_dataset(shared_data)
    quick = [pair for pair in dataset.volumes if not (pair.register or pair.name.startswith("pyapetnet"))]
    read = read_slabs(replace(dataset, volumes=quick), list(PairKind), registered=tmp_path)
    assert [slab.kind.value for slab in read] == ["CT-MRI", "CT-MRI", "SPECT-MRI", "PET-MRI", "T1-T2"]
    assert [len(slab.a) for slab in read] == [24, 5, 24, 24, 24]
    assert [slab.spacing for slab in read] == pytest.approx([2, 4, 2, 2, 1], abs=0.1)
    for slab in read:
        assert slab.a.shape == slab.b.shape
        assert slab.a.dtype == slab.b.dtype == np.float32
        for volume in (slab.a, slab.b):
            assert 0 <= volume.min() < volume.max() <= 1
            assert (volume > 0.1).mean(axis=(1, 2)).min() > 0.1
        assert correlation_of_heads(slab.a, slab.b) > 0.5


def correlation_of_heads(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef((a > 0.1).ravel(), (b > 0.1).ravel())[0, 1])


@pytest.mark.parametrize(("count", "taken"), [(30, slice(3, 27)), (4, slice(0, 4))])
def test_the_middle_of_the_slices_is_taken(count: int, taken: slice) -> None:
    head = np.full((8, 9), 0.5, np.float32) + np.arange(count, dtype=np.float32)[:, None, None] / 1000
    slab = Slab(PairKind.T1_T2, "one", head, head, 3)
    np.testing.assert_array_equal(middle(slab).a, head[taken])


def test_only_volumes_of_the_asked_kinds_that_no_network_was_trained_on_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [
        VolumePair(f"{kind.value} {part}", kind, part, Path("a"), Path("b"))
        for kind in (PairKind.CT_MRI, PairKind.T1_T2)
        for part in ("train", "val", "test")
    ]
    read: list[str] = []
    monkeypatch.setattr(consistency, "read_slab", lambda pair, **_: read.append(pair.name))
    monkeypatch.setattr(consistency, "middle", lambda slab: slab)
    read_slabs(DataSet(volumes=pairs), [PairKind.CT_MRI], registered=tmp_path)
    assert read == ["CT-MRI val", "CT-MRI test"]


SHAPE = (4, 48, 48)
RANDOM = np.random.default_rng(0)
A, B = (0.2 + 0.6 * RANDOM.random(SHAPE).round(1) for _ in range(2))


def test_one_function_of_both_values_is_consistent() -> None:
    assert tissue_inconsistency(A, B, np.maximum(0.6 * A, B) ** 2) == pytest.approx(0, abs=1e-4)


def test_a_patchwork_of_the_sources_is_not() -> None:
    left = np.arange(SHAPE[2]) < SHAPE[2] // 2
    apart = 255 * np.sqrt(((A - B) ** 2).mean()) / 2
    assert tissue_inconsistency(A, B, np.where(left, A, B)) == pytest.approx(apart, rel=0.05)


def test_it_is_the_spread_around_the_tissue_s_mean_in_grey_values() -> None:
    noise = RANDOM.normal(0, 6 / 255, SHAPE)
    assert tissue_inconsistency(A, B, (A + B) / 2 + noise) == pytest.approx(6, rel=0.05)


def test_a_drift_from_slice_to_slice_counts() -> None:
    drift = np.linspace(-0.1, 0.1, SHAPE[0])[:, None, None]
    assert tissue_inconsistency(A, B, A + drift) == pytest.approx(255 * drift.std(), rel=0.05)


def test_surroundings_and_rare_pairs_of_values_do_not_count() -> None:
    a, b = np.zeros(SHAPE), np.zeros(SHAPE)
    a[:, 10:30, 10:30] = b[:, 10:30, 10:30] = 0.5
    fused = RANDOM.random(SHAPE)
    fused[:, 10:30, 10:30] = 0.5
    assert tissue_inconsistency(a, b, fused) == 0


def test_without_enough_voxels_there_is_no_figure() -> None:
    assert np.isnan(tissue_inconsistency(A[:1, :4, :4], B[:1, :4, :4], A[:1, :4, :4]))


def four_tissues() -> tuple[np.ndarray, np.ndarray]:
    """Two sources of four tissues each, all of them everywhere in a head that fills the slices."""
    random = np.random.default_rng(5)
    return random.choice([0.3, 0.5, 0.7, 0.9], (2, 4, 64, 64))


def test_one_function_of_both_sources_does_not_drift() -> None:
    a, b = four_tissues()
    assert front_to_back_drift(a, b, 0.3 * a + 0.6 * b**2) == pytest.approx(0, abs=1e-6)


def test_what_grows_brighter_from_front_to_back_drifts_by_the_means_of_its_quarters() -> None:
    a, b = four_tissues()
    shade = 0.2 * np.arange(64)[:, None] / 63 * np.ones((4, 64, 64))
    # The middles of the first and the last quarter are three quarters of the way apart.
    assert front_to_back_drift(a, b, (a + b) / 4 + shade) == pytest.approx(255 * 0.2 * 48 / 63, rel=0.1)


def test_a_volume_that_turns_from_one_source_into_the_other_drifts_from_bottom_to_top_alone() -> None:
    a, b = four_tissues()
    share = np.linspace(0, 1, 4)[:, None, None]
    turning = (1 - share) * a + share * b
    # From the first slice to the last, each value goes all the way from A's to B's.
    assert bottom_to_top_drift(a, b, turning) == pytest.approx(255 * np.abs(a - b).mean(), rel=0.1)
    assert front_to_back_drift(a, b, turning) < bottom_to_top_drift(a, b, turning) / 4
    assert bottom_to_top_drift(a, b, (a + b) / 2) == pytest.approx(0, abs=1e-6)


def test_a_volume_without_enough_equal_voxels_has_no_drift() -> None:
    a = np.full((1, 4, 4), 0.5)
    assert np.isnan(front_to_back_drift(a, a, a))


def test_a_region_is_measured_by_quarters_from_front_to_back() -> None:
    fused = np.tile(np.arange(16.0)[:, None], (2, 1, 8)) / 16
    region = np.ones((2, 16, 8), bool)
    assert quarter_means(fused, region) == pytest.approx([1.5 / 16, 5.5 / 16, 9.5 / 16, 13.5 / 16])


def test_similarity_is_measured_in_the_slices_that_are_more_than_half_head() -> None:
    source = np.random.default_rng(1).random((4, 40, 40))
    head = np.zeros((4, 40, 40), bool)
    head[0, 10:14, 10:14] = head[1:, 5:35, 5:35] = True
    fused = source.copy()
    fused[3] = 1 - source[3]
    similarity = similarity_by_slice(fused, source, head)
    assert similarity[:2] == pytest.approx([1, 1])
    assert similarity[2] < 0


STEADY_A, STEADY_B = np.random.default_rng(0).uniform(0.2, 0.8, (2, 6, 12, 14))
ALTERNATING = np.resize([0.4, 0.6], (6, 1, 1)) * np.ones((6, 12, 14))


@pytest.mark.parametrize("index", [flicker_index, flicker_for_detail])
def test_a_copy_of_two_equal_sources_is_as_steady_as_they_are(index) -> None:
    assert index(STEADY_A, STEADY_A, STEADY_A) == pytest.approx(1)


def test_second_differences_are_compared_with_the_mean_of_the_sources() -> None:
    twice, half = 0.5 + 2 * (ALTERNATING - 0.5), 0.5 + (ALTERNATING - 0.5) / 2
    assert flicker_index(ALTERNATING, half, twice) == pytest.approx(2 / 0.75)


def test_anatomy_that_changes_steadily_does_not_flicker() -> None:
    steady = np.linspace(0.2, 0.8, 6)[:, None, None] * np.ones((6, 12, 14))
    assert flicker_index(STEADY_A, STEADY_B, steady) == pytest.approx(0, abs=1e-9)


def test_what_happens_outside_the_head_does_not_count() -> None:
    a, b = STEADY_A.copy(), STEADY_B.copy()
    a[:, :, 8:] = b[:, :, 8:] = 0
    fused = (a + b) / 2
    blinking = fused.copy()
    blinking[::2, :, 8:] = 1
    assert flicker_index(a, b, blinking) == flicker_index(a, b, fused)


def test_dimness_does_not_count_when_detail_is_considered() -> None:
    assert flicker_index(STEADY_A, STEADY_A, STEADY_A / 4) == pytest.approx(0.25)
    assert flicker_for_detail(STEADY_A, STEADY_A, STEADY_A / 4) == pytest.approx(1)


def test_slices_that_jump_in_brightness_flicker() -> None:
    jumping = STEADY_A + 0.5 * (ALTERNATING - 0.5)
    assert flicker_index(STEADY_A, STEADY_A, jumping) > 1.02
    assert flicker_for_detail(STEADY_A, STEADY_A, jumping) > 1.02


def test_the_table_has_a_row_for_each_volume_and_method_and_asks_for_the_method_of_its_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slabs = [Slab(PairKind.CT_MRI, "one", STEADY_A, STEADY_B, 3), Slab(PairKind.PET_MRI, "two", STEADY_B, STEADY_A, 2)]
    monkeypatch.setattr(consistency, "read_slabs", lambda dataset, kinds, registered, progress: slabs)
    methods = {
        "darker": lambda kind: lambda a, b, spacing: a / spacing,
        "CT or second": lambda kind: slice_by_slice(np.minimum if kind is PairKind.CT_MRI else (lambda a, b: b)),
    }
    table = flicker_table(methods, list(PairKind), DataSet(), registered=Path("registered"))
    assert table[["kind", "volume", "method"]].values.tolist() == [
        ["CT-MRI", "one", "darker"],
        ["CT-MRI", "one", "CT or second"],
        ["PET-MRI", "two", "darker"],
        ["PET-MRI", "two", "CT or second"],
    ]
    fused = [STEADY_A / 3, np.minimum(STEADY_A, STEADY_B), STEADY_B / 2, STEADY_A]
    assert table["flicker"].tolist() == pytest.approx([flicker_index(STEADY_A, STEADY_B, volume) for volume in fused])
    assert table["flicker for detail"].tolist() == pytest.approx(
        [flicker_for_detail(STEADY_A, STEADY_B, volume) for volume in fused]
    )
