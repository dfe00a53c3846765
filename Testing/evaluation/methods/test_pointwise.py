from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.methods.baselines import average, brighter_average, maximum


def test_the_average_is_the_mean_of_both() -> None:
    a, b = np.array([[0.2, 1.0]], np.float32), np.array([[0.6, 0.0]], np.float32)
    np.testing.assert_allclose(average(a, b), [[0.4, 0.5]])


def test_the_brighter_average_adds_seven_tenths_of_each_and_clips() -> None:
    a, b = np.array([[0, 0.2, 0.9]], np.float32), np.array([[0, 0.8, 1]], np.float32)
    fused = brighter_average(a, b)
    np.testing.assert_allclose(fused, [[0, 0.7, 1]], rtol=1e-6)
    assert fused.dtype == np.float32


def test_the_maximum_is_the_brighter_of_both() -> None:
    a, b = np.array([[0.2, 1.0]], np.float32), np.array([[0.6, 0.0]], np.float32)
    np.testing.assert_allclose(maximum(a, b), [[0.6, 1.0]])
