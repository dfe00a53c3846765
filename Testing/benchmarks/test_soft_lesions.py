from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.fusion_methods import average
from CSAFusionLib.training.pairs import ImagePair, PairKind
from Testing.benchmarks.soft_lesions import bumps, kept


def pair(a: float, b: float) -> ImagePair:
    """Flat tissue in both sources, with a margin of air."""
    values = np.zeros((2, 64, 64), np.float32)
    values[:, 8:-8, 8:-8] = np.array([a, b])[:, None, None]
    return ImagePair(*values, PairKind.SPECT_MRI, "flat")


def test_the_average_keeps_half_of_a_bump_and_a_source_all_of_its_own() -> None:
    for pairs in ([pair(0.3, 0.4)], [pair(0.7, 0.8)]):
        for source in (0, 1):
            assert kept(average, pairs, source) == pytest.approx([0.5, 0.5], abs=1e-3)
        assert kept(lambda a, _: a, pairs, 0) == pytest.approx([1, 1], abs=1e-3)
        assert kept(lambda a, _: a, pairs, 1) == [0, 0]


def test_bumps_are_bright_in_dark_tissue_and_dark_in_bright() -> None:
    for value, sign in ((0.3, 1), (0.8, -1)):
        one = pair(value, 0.5)
        drawn = list(bumps(one.a, one.b, one.a, np.random.default_rng(0)))
        assert [round(float(np.abs(bump).max()), 3) for bump in drawn] == [0.15, 0.15]
        assert all((sign * bump >= 0).all() for bump in drawn)


def test_nothing_is_put_into_air() -> None:
    empty = np.zeros((64, 64), np.float32)
    assert list(bumps(empty, empty, empty, np.random.default_rng(0))) == []
