from __future__ import annotations

import numpy as np

from CSAFusionLib.evaluation.methods.maximum import maximum


def test_each_pixel_is_the_brighter_of_both() -> None:
    a, b = np.array([[0.2, 1.0]], np.float32), np.array([[0.6, 0.0]], np.float32)
    np.testing.assert_allclose(maximum(a, b), [[0.6, 1.0]])


def test_where_one_source_is_black_the_other_is_left_as_it_is() -> None:
    image = np.random.default_rng(0).random((9, 7), dtype=np.float32)
    np.testing.assert_array_equal(maximum(image, np.zeros_like(image)), image)
