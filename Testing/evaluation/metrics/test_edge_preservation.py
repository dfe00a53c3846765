from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.evaluation.metrics.edge_preservation import correlation, epi, epi_of_gradients


def test_it_is_the_correlation_of_four_neighbour_laplacians() -> None:
    a, b = np.random.default_rng(0).random((2, 9, 11)) * 255

    def laplacian(image: np.ndarray) -> np.ndarray:
        p = np.pad(image, 1, mode="edge")
        return p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - 4 * image

    expected = np.corrcoef(laplacian(a).ravel(), laplacian(b).ravel())[0, 1]
    assert epi(a, b) == pytest.approx(expected, abs=1e-12)


def test_of_gradients_it_is_the_correlation_of_sobel_magnitudes() -> None:
    a, b = np.random.default_rng(3).random((2, 9, 11)) * 255

    def magnitude(image: np.ndarray) -> np.ndarray:
        p = np.pad(image, 1, mode="edge")
        down = p[2:] - p[:-2]
        right = p[:, 2:] - p[:, :-2]
        down = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
        right = right[:-2] + 2 * right[1:-1] + right[2:]
        return np.hypot(down, right)

    expected = np.corrcoef(magnitude(a).ravel(), magnitude(b).ravel())[0, 1]
    assert epi_of_gradients(a, b) == pytest.approx(expected, abs=1e-12)


def test_brightness_and_contrast_do_not_matter_but_inversion_does() -> None:
    image = np.random.default_rng(1).random((12, 12)) * 200
    assert epi(image, 0.5 * image + 20) == pytest.approx(1)
    assert epi(image, 255 - image) == pytest.approx(-1)
    assert epi_of_gradients(image, 255 - 0.5 * image) == pytest.approx(1)


@pytest.mark.parametrize("metric", [epi, epi_of_gradients, correlation])
def test_an_image_without_edges_preserves_none(metric) -> None:
    assert metric(np.random.default_rng(2).random((12, 12)), np.full((12, 12), 7.0)) == 0
