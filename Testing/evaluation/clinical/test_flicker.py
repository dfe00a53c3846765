from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CSAFusionLib.evaluation.clinical import consistency
from CSAFusionLib.evaluation.clinical.consistency import flicker_for_detail, flicker_index, flicker_table
from CSAFusionLib.evaluation.methods import slice_by_slice
from CSAFusionLib.training.dataset import DataSet
from CSAFusionLib.training.pairs import PairKind
from CSAFusionLib.training.volume_pairs import Slab

A, B = np.random.default_rng(0).uniform(0.2, 0.8, (2, 6, 12, 14))
ALTERNATING = np.resize([0.4, 0.6], (6, 1, 1)) * np.ones((6, 12, 14))


@pytest.mark.parametrize("index", [flicker_index, flicker_for_detail])
def test_a_copy_of_two_equal_sources_is_as_steady_as_they_are(index) -> None:
    assert index(A, A, A) == pytest.approx(1)


def test_second_differences_are_compared_with_the_mean_of_the_sources() -> None:
    twice, half = 0.5 + 2 * (ALTERNATING - 0.5), 0.5 + (ALTERNATING - 0.5) / 2
    assert flicker_index(ALTERNATING, half, twice) == pytest.approx(2 / 0.75)


def test_anatomy_that_changes_steadily_does_not_flicker() -> None:
    steady = np.linspace(0.2, 0.8, 6)[:, None, None] * np.ones((6, 12, 14))
    assert flicker_index(A, B, steady) == pytest.approx(0, abs=1e-9)


def test_what_happens_outside_the_head_does_not_count() -> None:
    a, b = A.copy(), B.copy()
    a[:, :, 8:] = b[:, :, 8:] = 0
    fused = (a + b) / 2
    blinking = fused.copy()
    blinking[::2, :, 8:] = 1
    assert flicker_index(a, b, blinking) == flicker_index(a, b, fused)


def test_dimness_does_not_count_when_detail_is_considered() -> None:
    assert flicker_index(A, A, A / 4) == pytest.approx(0.25)
    assert flicker_for_detail(A, A, A / 4) == pytest.approx(1)


def test_slices_that_jump_in_brightness_flicker() -> None:
    jumping = A + 0.5 * (ALTERNATING - 0.5)
    assert flicker_index(A, A, jumping) > 1.02
    assert flicker_for_detail(A, A, jumping) > 1.02


def test_the_table_has_a_row_for_each_volume_and_method_and_asks_for_the_method_of_its_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slabs = [Slab(PairKind.CT_MRI, "one", A, B, 3), Slab(PairKind.PET_MRI, "two", B, A, 2)]
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
    fused = [A / 3, np.minimum(A, B), B / 2, A]
    assert table["flicker"].tolist() == pytest.approx([flicker_index(A, B, volume) for volume in fused])
    assert table["flicker for detail"].tolist() == pytest.approx([flicker_for_detail(A, B, volume) for volume in fused])
