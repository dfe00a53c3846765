from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CSAFusionLib.evaluation.clinical.artefacts import artefacts, unexplained


def textured(seed: int) -> np.ndarray:
    image = ndimage.gaussian_filter(np.random.default_rng(seed).random((60, 70)), 1.5)
    return 255 * (image - image.min()) / np.ptp(image)


A, B = textured(0), textured(1)


def test_it_is_the_residual_of_a_ridge_regression_in_the_window_around_each_pixel() -> None:
    fused = textured(2)
    row, column = 20, 33
    window = np.s_[row - 3 : row + 4, column - 3 : column + 4]
    x = np.stack([A[window].ravel(), B[window].ravel()], axis=1)
    deviations, target = x - x.mean(axis=0), fused[window].ravel() - fused[window].mean()
    p, q = np.linalg.solve(deviations.T @ deviations / 49 + 0.1 * np.eye(2), deviations.T @ target / 49)
    centre = 24
    expected = abs(target[centre] - p * deviations[centre, 0] - q * deviations[centre, 1])
    assert unexplained(A, B, fused)[row, column] == pytest.approx(expected)


def test_weights_that_change_slowly_invent_nothing() -> None:
    weight = np.linspace(0.3, 0.7, 70)
    assert artefacts(A, B, weight * A + (1 - weight) * B)["artefacts"] < 2


@pytest.mark.parametrize("fused", [A, 0.3 * A + 0.7 * B, 255 - A / 2, 40 + 0 * A, 1.4 * A + 20])
def test_any_linear_combination_of_the_sources_invents_nothing(fused: np.ndarray) -> None:
    assert artefacts(A, B, fused)["artefacts"] < 0.5


def test_a_spot_that_neither_source_has_is_found_where_it_is() -> None:
    rows, columns = np.mgrid[:60, :70]
    spot = 80 * np.exp(-((rows - 30) ** 2 + (columns - 40) ** 2) / (2 * 2**2))
    residual = unexplained(A, B, (A + B) / 2 + spot)
    assert residual[28:33, 38:43].max() > 20
    assert residual[spot < 1e-6].max() < 1


def test_a_seam_between_the_sources_is_found() -> None:
    seam = np.where(np.arange(70) < 35, A, B)
    residual = unexplained(A, B, seam)
    assert residual[:, 31:39].max() > 20
    assert residual[:, :31].max() < 1


def test_in_empty_sources_all_is_invented_but_a_constant() -> None:
    empty = np.zeros((20, 20))
    dot = np.zeros((20, 20))
    dot[10, 10] = 49
    assert artefacts(empty, empty, dot + 30)["artefacts"] == pytest.approx(48)


def test_both_figures_are_of_the_same_residual() -> None:
    fused = textured(3)
    residual = unexplained(A, B, fused)
    assert artefacts(A, B, fused) == {
        "artefacts": residual.max(),
        "artefacts 99.9 %": pytest.approx(np.quantile(residual, 0.999)),
    }
