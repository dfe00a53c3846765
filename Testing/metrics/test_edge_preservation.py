from __future__ import annotations

import numpy as np
import pytest
import torch

from CSAFusionLib.metrics.edge_preservation import epi, epi_of_gradients


def tensor(image: np.ndarray) -> torch.Tensor:
    """A picture (H, W) of grey values from 0 to 255 as the metrics take it, (1, 1, H, W) in [0, 1]."""
    return torch.tensor(image, dtype=torch.float64)[None, None] / 255


def test_it_is_the_correlation_of_four_neighbour_laplacians() -> None:
    a, b = np.random.default_rng(0).random((2, 9, 11)) * 255

    def laplacian(image: np.ndarray) -> np.ndarray:
        p = np.pad(image, 1, mode="edge")
        return p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - 4 * image

    expected = np.corrcoef(laplacian(a).ravel(), laplacian(b).ravel())[0, 1]
    assert float(epi(tensor(b), tensor(a))) == pytest.approx(expected, abs=1e-12)


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
    assert float(epi_of_gradients(tensor(b), tensor(a))) == pytest.approx(expected, abs=1e-12)


def test_brightness_and_contrast_do_not_matter_but_inversion_does() -> None:
    image = np.random.default_rng(1).random((12, 12)) * 200
    assert float(epi(tensor(0.5 * image + 20), tensor(image))) == pytest.approx(1)
    assert float(epi(tensor(255 - image), tensor(image))) == pytest.approx(-1)
    assert float(epi_of_gradients(tensor(255 - 0.5 * image), tensor(image))) == pytest.approx(1)


@pytest.mark.parametrize("metric", [epi, epi_of_gradients])
def test_an_image_without_edges_preserves_none(metric) -> None:
    assert float(metric(tensor(np.full((12, 12), 7.0)), tensor(np.random.default_rng(2).random((12, 12))))) == 0
