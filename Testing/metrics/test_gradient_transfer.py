from __future__ import annotations

from math import atan, exp, pi

import numpy as np
import pytest
import torch

from CSAFusionLib.metrics.gradient_transfer import qabf as of_tensors


def qabf(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> float:
    return float(of_tensors(*(torch.tensor(image, dtype=torch.float64)[None, None] / 255 for image in (fused, a, b))))


ACROSS = np.tile(np.arange(200.0), (200, 1))
"""Its gradient points right, and is half as strong in the first and last column."""
DOWN = ACROSS.T


def strength(ratio: float) -> float:
    return 0.9994 / (1 + exp(-15 * (ratio - 0.5)))


def direction(alike: float) -> float:
    return 0.9879 / (1 + exp(-22 * (alike - 0.8)))


@pytest.mark.parametrize("contrast", [1.0, 0.5, 0.1, 2.0])
def test_gradients_count_by_the_ratio_of_their_strengths(contrast: float) -> None:
    ratio = min(contrast, 1 / contrast)
    assert qabf(ACROSS, ACROSS, contrast * ACROSS) == pytest.approx(strength(ratio) * direction(1))


def test_gradients_of_another_direction_are_lost() -> None:
    assert qabf(ACROSS, ACROSS, DOWN) < 1e-3
    slanted = strength((16 / 17) ** 0.5) * direction(1 - 2 * atan(1 / 4) / pi)
    assert qabf(ACROSS, ACROSS, ACROSS + DOWN / 4) == pytest.approx(slanted, rel=1e-2)


def test_the_stronger_source_counts_for_more() -> None:
    weak = ACROSS / 3
    kept_of_weak = strength(1 / 3) * direction(1)
    assert qabf(weak, ACROSS, ACROSS) == pytest.approx((kept_of_weak + 3 * strength(1) * direction(1)) / 4)


def test_both_sources_are_treated_alike() -> None:
    a, b, fused = np.random.default_rng(0).random((3, 15, 15)) * 255
    assert qabf(a, b, fused) == pytest.approx(qabf(b, a, fused))


def test_sources_without_gradients_have_none_to_keep() -> None:
    flat = np.full((9, 9), 40.0)
    assert qabf(flat, flat, flat) == 0
