from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.methods.average import average


def test_each_pixel_is_the_mean_of_both() -> None:
    a, b = np.array([[0.2, 1.0]], np.float32), np.array([[0.6, 0.0]], np.float32)
    np.testing.assert_allclose(average(a, b), [[0.4, 0.5]])
