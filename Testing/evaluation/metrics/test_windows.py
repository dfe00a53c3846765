from __future__ import annotations

import numpy as np
from scipy import ndimage

from CSAFusionLib.evaluation.metrics.windows import gaussian_means


def test_the_means_are_those_of_a_gaussian_filter_inside_the_image() -> None:
    image = np.random.default_rng(0).random((30, 21))
    filtered = ndimage.gaussian_filter(image, 1.5, radius=5)
    np.testing.assert_allclose(gaussian_means(image, 11, 1.5), filtered[5:-5, 5:-5], atol=1e-12)


def test_a_step_leaves_out_rows_and_columns() -> None:
    image = np.random.default_rng(1).random((15, 18))
    np.testing.assert_array_equal(gaussian_means(image, 3, 0.6, step=2), gaussian_means(image, 3, 0.6)[::2, ::2])
