from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.training.augmentation import augment
from CSAFusionLib.training.pairs import PairKind

SIZE = 48


def head() -> np.ndarray:
    """Two sources with one bright square each, in the same place, on black."""
    patch = np.zeros((2, SIZE, SIZE), np.float32)
    patch[0, 10:30, 10:40], patch[1, 10:30, 10:40] = 0.6, 0.5
    return patch


def draws(kind: PairKind, count: int = 60) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [augment(head(), kind, random) for _ in range(count)]


def test_a_patch_stays_a_patch_in_range() -> None:
    for patch in draws(PairKind.CT_MRI):
        assert patch.shape == (2, SIZE, SIZE)
        assert patch.dtype == np.float32
        assert 0 <= patch.min() <= patch.max() <= 1


def test_both_sources_are_turned_alike_and_black_stays_black() -> None:
    seen = set()
    for a, b in draws(PairKind.CT_MRI):
        np.testing.assert_array_equal(a > 0, b > 0)
        seen.add((a > 0).tobytes())
    assert len(seen) == 8


def test_each_source_is_changed_on_its_own() -> None:
    ratios = [np.median(a[a > 0]) / np.median(b[b > 0]) for a, b in draws(PairKind.CT_MRI)]
    assert min(ratios) < 1.0 < 1.4 < max(ratios)


@pytest.mark.parametrize(("kind", "swaps"), [(PairKind.T1_T2, True), (PairKind.CT_MRI, False)])
def test_only_t1_and_t2_change_places(kind: PairKind, swaps: bool) -> None:
    random = np.random.default_rng(0)
    patch = np.stack([np.full((SIZE, SIZE), 0.5), np.zeros((SIZE, SIZE))])
    assert any(augment(patch, kind, random)[0].max() == 0 for _ in range(20)) is swaps
