"""Fidelity of one fused image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CSAFusionLib.evaluation.clinical.fidelity import (
    artefacts,
    colour_fidelity,
    contrast_to_noise,
    find_head,
    kept_contrast,
    read_back,
    unexplained,
)
from CSAFusionLib.fusion.colour import apply_colour_table


def test_the_head_is_the_largest_bright_region_with_its_dark_inside() -> None:
    skull = np.zeros((30, 40))
    skull[5:25, 5:30] = 0.8
    head = skull > 0
    skull[8:22, 8:27] = 0.02
    skull[2:28, 35:37] = 0.9  # the headrest
    np.testing.assert_array_equal(find_head(skull), head)


def test_air_holds_no_head() -> None:
    assert not find_head(np.full((8, 9), 0.05)).any()


INSIDE = np.arange(20) < 4
AROUND = ~INSIDE


def with_contrast(contrast: float, noise: float) -> np.ndarray:
    """Surroundings of mean 0.5 and a standard deviation of ``noise``, and a region that differs by ``contrast``."""
    image = 0.5 + noise * np.resize([1.0, -1.0], 20)
    image[INSIDE] = 0.5 + contrast
    return image


def test_it_is_the_difference_of_the_means_over_the_deviation_around() -> None:
    assert contrast_to_noise(with_contrast(-0.3, 0.1), INSIDE, AROUND) == pytest.approx(-3)


def test_surroundings_without_noise_count_as_having_what_a_display_shows() -> None:
    assert contrast_to_noise(with_contrast(0.1, 0), INSIDE, AROUND) == pytest.approx(5)


def test_what_is_kept_is_a_share_of_the_better_source_whatever_the_sign() -> None:
    a, b, fused = with_contrast(-0.3, 0.1), with_contrast(0.1, 0.1), with_contrast(0.15, 0.1)
    assert kept_contrast(fused, a, b, INSIDE, AROUND) == pytest.approx(0.5)


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


UPTAKE = np.tile(np.linspace(0, 1, 101, dtype=np.float32), (3, 4, 1))


@pytest.mark.parametrize("table", ["hot-iron", "ice"])
def test_uptake_is_read_back_from_its_own_colour(table: str) -> None:
    np.testing.assert_allclose(read_back(apply_colour_table(UPTAKE, table), table), UPTAKE, atol=0.002)


def test_the_table_itself_is_faithful() -> None:
    found = colour_fidelity(apply_colour_table(UPTAKE, "hot-iron"), UPTAKE, "hot-iron")
    assert found["read-back error"] < 0.002
    assert found["read-back r"] == pytest.approx(1, abs=1e-4)
    assert found["hue error"] == pytest.approx(0, abs=1e-3)
    assert found["clipped"] == 0


def test_a_shaded_colour_keeps_its_hue_and_an_overlay_on_white_does_not_keep_the_uptake() -> None:
    colours = apply_colour_table(UPTAKE, "hot-iron")
    shaded, overlay = (colour_fidelity(rgb, UPTAKE, "hot-iron") for rgb in (0.9 * colours, 0.5 * colours + 0.5))
    assert shaded["hue error"] == pytest.approx(0, abs=1e-3)
    assert overlay["read-back error"] > 2 * shaded["read-back error"]


def test_a_turned_hue_is_told_in_degrees() -> None:
    uptake = np.array([0.3, 0.4], np.float32).reshape(1, 1, 2)
    green = np.zeros((1, 1, 2, 3))
    green[..., 1] = 0.8
    assert colour_fidelity(green, uptake, "hot-iron")["hue error"] == pytest.approx(120, abs=0.1)


def test_clipped_colours_and_colour_where_nothing_is_taken_up_are_told() -> None:
    rgb = apply_colour_table(UPTAKE, "hot-iron")
    rgb[UPTAKE < 0.02] = (0.3, 0.1, 0.1)
    rgb[(UPTAKE >= 0.1) & (UPTAKE < 0.5)] = 1
    found = colour_fidelity(rgb, UPTAKE, "hot-iron")
    assert found["colour of nothing"] == pytest.approx(0.2, abs=1e-6)
    assert found["clipped"] == pytest.approx(40 / 91, abs=0.02)
