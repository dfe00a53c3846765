"""Metrics of detail and edges."""

from __future__ import annotations

from math import atan, exp, pi

import numpy as np
import pytest
import torch

from CSAFusionLib.metrics.edge_metrics import average_gradient, epi, epi_of_gradients, sobel_gradient, spatial_frequency
from CSAFusionLib.metrics.edge_metrics import qabf as of_tensors


def test_a_slope_has_the_same_gradient_everywhere_inside() -> None:
    rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    down, right = sobel_gradient((2 * rows + 3 * columns)[None, None])[0]
    # Over two pixels, with weights 1, 2, 1 across.
    assert (down[1:-1, 1:-1] == 2 * 2 * 4).all()
    assert (right[1:-1, 1:-1] == 3 * 2 * 4).all()


def test_the_border_of_the_image_is_no_edge() -> None:
    assert not sobel_gradient(torch.full((1, 1, 4, 5), 200.0)).any()


SMALL = np.array([[0, 3, 3], [4, 0, 0]], np.uint8)


def test_spatial_frequency_of_a_small_image_is_as_worked_out_by_hand() -> None:
    along_rows = 3**2 + 0 + 4**2 + 0
    along_columns = 4**2 + 3**2 + 3**2
    assert spatial_frequency(SMALL) == pytest.approx(((along_rows + along_columns) / 6) ** 0.5)


def test_average_gradient_of_a_small_image_is_as_worked_out_by_hand() -> None:
    assert average_gradient(SMALL) == pytest.approx((((3**2 + 4**2) / 2) ** 0.5 + (3**2 / 2) ** 0.5) / 2)


@pytest.mark.parametrize("metric", [average_gradient, spatial_frequency])
def test_activity_grows_with_contrast_and_ignores_brightness_and_direction(metric) -> None:
    image = np.random.default_rng(0).random((9, 12)) * 100
    assert metric(2 * image + 30) == pytest.approx(2 * metric(image))
    assert metric(255 - image[:, ::-1].T) == pytest.approx(metric(255 - image.T[::-1]))
    assert metric(np.full((5, 5), 80.0)) == 0


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
