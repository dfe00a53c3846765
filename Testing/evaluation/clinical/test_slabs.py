from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.evaluation.clinical import consistency
from CSAFusionLib.evaluation.clinical.consistency import middle, read_slabs
from CSAFusionLib.training.dataset import DataSet, VolumePair, read_dataset
from CSAFusionLib.training.pairs import PairKind
from CSAFusionLib.training.volume_pairs import Slab


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
