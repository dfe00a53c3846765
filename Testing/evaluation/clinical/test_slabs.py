from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.evaluation.clinical import slabs
from CSAFusionLib.evaluation.clinical.slabs import read_slabs
from CSAFusionLib.training.pairs import ImagePair, PairKind


def no_registration(volumes: Path, split: str, **options: object) -> list[ImagePair]:
    return []


def test_the_aligned_volumes_give_runs_of_slices_that_both_show_the_head(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slabs, "read_volume_pairs", no_registration)
    quick = [pair for pair in slabs._ALIGNED if not pair.other.startswith("pyapetnet")]
    monkeypatch.setattr(slabs, "_ALIGNED", quick)
    read = read_slabs(shared_data / "volumes", list(PairKind), registered=tmp_path)
    assert {slab.kind for slab in read} == {PairKind.CT_MRI, PairKind.PET_MRI, PairKind.SPECT_MRI}
    assert [len(slab.a) for slab in read] == [24, 24, 24, 5]
    assert [slab.spacing for slab in read] == pytest.approx([2, 2, 2, 4], abs=0.1)
    for slab in read:
        assert slab.a.shape == slab.b.shape
        assert slab.a.dtype == slab.b.dtype == np.float32
        for volume in (slab.a, slab.b):
            assert 0 <= volume.min() < volume.max() <= 1
            assert (volume > 0.1).mean(axis=(1, 2)).min() > 0.1
        assert correlation_of_heads(slab.a, slab.b) > 0.5


def correlation_of_heads(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef((a > 0.1).ravel(), (b > 0.1).ravel())[0, 1])


def test_the_slices_of_a_registered_volume_are_stacked_and_the_middle_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = np.full((8, 9), 0.5, np.float32)
    pairs = [
        ImagePair(head + index / 1000, head - index / 1000, PairKind.T1_T2, f"{patient}-{index:03d}", spacing)
        for patient, count, spacing in (("open_ms-one", 30, 3), ("open_ms-two", 4, 1))
        for index in range(count)
    ]
    monkeypatch.setattr(slabs, "_ALIGNED", ())
    monkeypatch.setattr(slabs, "read_volume_pairs", lambda *arguments, **options: pairs)
    one, two = read_slabs(tmp_path, [PairKind.T1_T2], registered=tmp_path)
    assert [(slab.name, slab.spacing) for slab in (one, two)] == [("open_ms-one", 3), ("open_ms-two", 1)]
    np.testing.assert_array_equal(one.a, [pair.a for pair in pairs[3:27]])
    np.testing.assert_array_equal(two.b, [pair.b for pair in pairs[30:]])


def test_only_patients_that_no_network_was_trained_on_are_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(slabs, "_ALIGNED", ())
    monkeypatch.setattr(slabs, "read_volume_pairs", lambda volumes, split, **options: asked.append(split) or [])
    assert read_slabs(tmp_path, [PairKind.T1_T2], registered=tmp_path) == []
    assert asked == ["val"]


def test_volumes_of_other_kinds_are_neither_read_nor_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    monkeypatch.setattr(slabs, "_read_aligned", lambda pair, volumes: read.append(pair.kind))
    monkeypatch.setattr(slabs, "_middle", lambda slab: slab)
    monkeypatch.setattr(slabs, "read_volume_pairs", lambda *arguments, **options: pytest.fail("registered"))
    read_slabs(tmp_path, [PairKind.CT_MRI], registered=tmp_path)
    assert read == [PairKind.CT_MRI, PairKind.CT_MRI]
