from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CSAFusionLib.evaluation.fusion_methods import average, maximum
from CSAFusionLib.evaluation.limit import attainable
from CSAFusionLib.metrics.measure import measure

STEPS = 100


def sources() -> tuple[np.ndarray, np.ndarray]:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random((2, 52, 56)), (0, 2, 2))
    a, b = ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)
    return a, 0.4 * b  # of equal contrast, their mean would have the best EPI there is


def figures(a: np.ndarray, b: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    return measure(255 * a, 255 * b, 255 * fused)


@pytest.mark.parametrize("objective", ["SSIM sum", "EPI sum"])
def test_no_plain_method_and_no_copy_reaches_it(objective: str) -> None:
    a, b = sources()
    best = figures(a, b, attainable(a, b, objective, steps=STEPS))[objective]
    for fused in (average(a, b), maximum(a, b), a, b):
        assert best > figures(a, b, fused)[objective]


def test_the_balanced_limit_is_the_best_weighted_sum() -> None:
    a, b = sources()

    def weighted_sum(fused: np.ndarray) -> float:
        found = figures(a, b, fused)
        return found["SSIM sum"] + 0.5 * found["EPI sum"] + found["VIF"]

    best = weighted_sum(attainable(a, b, "balanced", steps=STEPS))
    for fused in (average(a, b), maximum(a, b), a, b):
        assert best > weighted_sum(fused)


def test_it_is_an_image_in_range_and_the_same_every_time() -> None:
    a, b = (source[:48, :44] for source in sources())
    fused = attainable(a, b, "EPI sum", steps=10)
    assert fused.shape == a.shape
    assert fused.dtype == np.float32
    assert 0 <= fused.min() <= fused.max() <= 1
    np.testing.assert_array_equal(fused, attainable(a, b, "EPI sum", steps=10))
