from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.methods.brighter_average import brighter_average


def test_seven_tenths_of_each_are_added_and_clipped() -> None:
    a, b = np.array([[0, 0.2, 0.9]], np.float32), np.array([[0, 0.8, 1]], np.float32)
    fused = brighter_average(a, b)
    np.testing.assert_allclose(fused, [[0, 0.7, 1]], rtol=1e-6)
    assert fused.dtype == np.float32
