"""CSAFusionLib.fusion.result"""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from CSAFusionLib.fusion.result import slice_figures


@pytest.fixture
def slices() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.1, 1, (2, 3, 40, 36)).astype(np.float32)
    return a, b


def test_a_copy_of_a_source_is_as_similar_to_it_as_can_be(slices: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = slices
    figures = slice_figures(a, a, b)
    np.testing.assert_allclose(figures["ssim_fixed"], 1, atol=1e-4)
    np.testing.assert_allclose(figures["correlation_fixed"], 1, atol=1e-6)
    assert max(figures["ssim_moving"]) < 0.3 and max(map(abs, figures["correlation_moving"])) < 0.2


def test_the_similarity_is_that_of_the_field(slices: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = slices
    fused = (a + b) / 2
    expected = [
        structural_similarity(one, other, data_range=1, win_size=7, use_sample_covariance=False, full=True)[1]
        for one, other in zip(fused, a, strict=True)
    ]
    np.testing.assert_allclose(slice_figures(fused, a, b)["ssim_fixed"], np.mean(expected, axis=(1, 2)), atol=0.01)


def test_an_empty_slice_has_no_figure(slices: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = slices
    a[1] = b[1] = 0
    for values in slice_figures(a, a, b).values():
        assert np.isnan(values[1]) and not np.isnan(values[0])
