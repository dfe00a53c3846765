"""The metrics: detail and edges, information and structure, against values worked out or published elsewhere."""

from __future__ import annotations

from math import atan, exp, log, pi

import numpy as np
import pytest
import sewar
import torch
from monai.losses.ssim_loss import SSIMLoss
from scipy import ndimage, signal
from skimage.metrics import structural_similarity

from CSAFusionLib.metrics.edge_metrics import average_gradient, epi, epi_of_gradients, sobel_gradient, spatial_frequency
from CSAFusionLib.metrics.edge_metrics import qabf as of_tensors
from CSAFusionLib.metrics.information_metrics import fmi, gaussian_means, qncie, qncie_of_pearson, ssim, vif
from CSAFusionLib.metrics.measure import measure


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


def test_it_is_the_convolution_with_a_gaussian_window() -> None:
    images = np.random.default_rng(0).random((2, 3, 20, 17))
    taps = signal.windows.gaussian(7, 1.5)
    window = np.outer(taps, taps) / taps.sum() ** 2
    means = gaussian_means(torch.tensor(images), 7, 1.5)
    assert means.shape == (2, 3, 14, 11)
    for image, result in zip(images.reshape(-1, 20, 17), means.flatten(0, 1), strict=True):
        np.testing.assert_allclose(result, signal.convolve2d(image, window, mode="valid"), atol=1e-12)


def test_the_mean_of_a_constant_is_the_constant() -> None:
    torch.testing.assert_close(gaussian_means(torch.full((12, 12), 0.3), 11, 1.5), torch.full((2, 2), 0.3))


def test_derivatives_can_be_had_after_a_call_without_them() -> None:
    image = torch.rand(23, 29, requires_grad=True)
    with torch.inference_mode():
        gaussian_means(image, 5, 1.0)
    gaussian_means(image, 5, 1.0).sum().backward()
    assert image.grad is not None


def ssim_by_definition(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2004, equation 13, with the window written out."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    mean = lambda image: ndimage.correlate(image, window)[5:-5, 5:-5]  # noqa: E731
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    va, vb = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2
    cov = mean(a * b) - mean(a) * mean(b)
    similarity = (2 * mean(a) * mean(b) + c1) * (2 * cov + c2) / ((mean(a) ** 2 + mean(b) ** 2 + c1) * (va + vb + c2))
    return similarity.mean()


def test_it_follows_the_definition_on_the_valid_region() -> None:
    a, b = np.random.default_rng(0).integers(0, 256, (2, 40, 33)).astype(float)
    assert float(ssim(tensor(b), tensor(a))) == pytest.approx(ssim_by_definition(a, b), abs=1e-9)


def test_it_equals_scikit_image_on_the_valid_region() -> None:
    a, b = np.random.default_rng(2).integers(0, 256, (2, 50, 37)).astype(float)
    _, similarity = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True
    )
    assert float(ssim(tensor(b), tensor(a))) == pytest.approx(similarity[5:-5, 5:-5].mean(), abs=1e-12)


def test_a_copy_is_one() -> None:
    image = np.random.default_rng(1).integers(0, 256, (20, 20))
    assert float(ssim(tensor(image), tensor(image))) == pytest.approx(1)


def test_it_is_one_minus_the_loss_of_monai() -> None:
    torch.manual_seed(0)
    fused, source = torch.rand(2, 3, 1, 40, 37)
    theirs = SSIMLoss(spatial_dims=2, win_size=11, kernel_sigma=1.5)(fused, source)
    assert float(ssim(fused, source).mean()) == pytest.approx(1 - float(theirs), abs=1e-5)


def entropy(probabilities: np.ndarray) -> float:
    present = probabilities[probabilities != 0]
    return -(present * np.log2(np.abs(present))).sum()


def of_window(x: np.ndarray, y: np.ndarray) -> float:
    """Haghighat and Razian 2014 for two windows, with the bounds' distribution functions written out."""
    if (x == y).all():
        return 1.0
    p, q = (np.ones(9) if np.ptp(w) == 0 else (w - w.min()).ravel(order="F") / np.ptp(w) for w in (x, y))
    p, q = p / p.sum(), q / q.sum()
    to_p, to_q = p.cumsum()[:, None], q.cumsum()[None, :]
    correlation = 0 if p.std() < 1e-12 or q.std() < 1e-12 else np.corrcoef(p, q)[0, 1]
    bound = np.minimum(to_p, to_q) if correlation >= 0 else np.maximum(to_p + to_q - 1, 0)
    place = np.arange(1, 10)
    spread_p, spread_q = (np.sqrt(max(place**2 @ r - (place @ r) ** 2, 0)) for r in (p, q))
    extreme = (bound - to_p * to_q).sum()
    weight = correlation * spread_p * spread_q / extreme if spread_p * spread_q > 1e-9 else 0
    of_bound = np.diff(np.diff(np.pad(bound, ((1, 0), (1, 0))), axis=0), axis=1)
    of_bound[np.abs(of_bound) < 1e-12] = 0
    joint = weight * of_bound + (1 - weight) * np.outer(p, q)
    apart = entropy(p) + entropy(q)
    return 2 * (apart - entropy(joint)) / apart if apart > 0 else 0.0


def fmi_by_definition(a: np.ndarray, b: np.ndarray) -> float:
    a, b = (np.gradient(image.astype(float), axis=1) for image in (a, b))
    corners = [(i, j) for i in range(a.shape[0] - 2) for j in range(a.shape[1] - 2)]
    return float(np.mean([of_window(a[i : i + 3, j : j + 3], b[i : i + 3, j : j + 3]) for i, j in corners]))


def textured_image(seed: int) -> np.ndarray:
    image = ndimage.gaussian_filter(np.random.default_rng(seed).random((26, 30)), 1)
    return (255 * (image - image.min()) / np.ptp(image)).round()


def test_it_follows_the_definition_where_images_agree_and_where_they_run_against_each_other() -> None:
    source = textured_image(0)
    fused = np.where(np.arange(30) < 15, (source + textured_image(1)) / 2, 255 - source).round()
    assert fmi(source, fused) == pytest.approx(fmi_by_definition(source, fused), abs=1e-6)


def test_it_follows_the_definition_beside_black_background_and_saturated_tissue() -> None:
    source, fused = textured_image(2), textured_image(3)
    source[:, :9] = fused[:, :6] = 0
    source[10:], fused[14:] = 255, 200
    assert fmi(source, fused) == pytest.approx(fmi_by_definition(source, fused), abs=1e-6)


def test_a_copy_is_one_whatever_its_brightness_and_contrast() -> None:
    image = textured_image(4)
    assert fmi(image, image) == 1
    assert fmi(image, image / 2 + 10) > 0.9


def test_a_flat_image_tells_nothing() -> None:
    slope = np.arange(30.0) ** 2 * np.ones((26, 1))
    assert fmi(slope, np.full((26, 30), 80.0)) == pytest.approx(0, abs=1e-6)


def test_two_flat_images_are_the_same_to_a_gradient() -> None:
    assert fmi(np.full((8, 8), 80.0), np.full((8, 8), 20.0)) == 1


def test_more_windows_than_fit_at_once_are_all_counted() -> None:
    source, fused = np.random.default_rng(5).integers(0, 256, (2, 40, 70))
    assert fmi(source, fused) == pytest.approx(fmi_by_definition(source, fused), abs=1e-6)


EVERY_VALUE = np.arange(256).reshape(16, 16)
ROWS, COLUMNS = np.divmod(EVERY_VALUE, 16)
HALVES = np.where(ROWS < 8, 10, 90)


def of_eigenvalues(*eigenvalues: float) -> float:
    return 1 + sum(value / 3 * log(value / 3, 256) for value in eigenvalues if value)


def test_three_copies_of_an_image_with_every_grey_value_have_all_in_common() -> None:
    assert qncie(EVERY_VALUE, EVERY_VALUE, EVERY_VALUE) == pytest.approx(1)


def test_independent_images_have_nothing_in_common() -> None:
    """Rows, columns and a chequer of blocks: any two of them occur in all combinations, equally often."""
    chequer = (ROWS // 8 + COLUMNS // 8) % 2
    assert qncie(HALVES, COLUMNS // 8, chequer) == pytest.approx(of_eigenvalues(1, 1, 1))
    assert qncie_of_pearson(HALVES, COLUMNS // 8, chequer) == pytest.approx(of_eigenvalues(1, 1, 1))


def test_two_halves_tell_one_bit_of_eight() -> None:
    inverted = 255 - HALVES
    assert qncie(HALVES, inverted, COLUMNS) == pytest.approx(of_eigenvalues(1 + 1 / 8, 1 - 1 / 8, 1))


def test_two_equal_images_are_fully_correlated_in_the_linear_sense() -> None:
    assert qncie_of_pearson(ROWS, COLUMNS, 3 * ROWS + 2) == pytest.approx(of_eigenvalues(2, 1, 0))


def test_any_relabelling_of_grey_values_is_as_good() -> None:
    a, b, fused = np.random.default_rng(0).integers(0, 40, (3, 32, 32))
    relabelled = np.random.default_rng(1).permutation(256)[fused]
    assert qncie(a, b, relabelled) == pytest.approx(qncie(a, b, fused))
    assert qncie(a, b, 6 * fused) == pytest.approx(qncie(a, b, fused))


def test_a_constant_image_correlates_with_none() -> None:
    flat = np.full((16, 16), 255.0)
    assert qncie(EVERY_VALUE, EVERY_VALUE, flat) == pytest.approx(of_eigenvalues(2, 1, 0))
    assert qncie_of_pearson(EVERY_VALUE, EVERY_VALUE, flat) == pytest.approx(of_eigenvalues(2, 1, 0))


def textured(seed: int) -> np.ndarray:
    image = ndimage.gaussian_filter(np.random.default_rng(seed).random((64, 72)), 2)
    return (255 * (image - image.min()) / np.ptp(image)).round()


@pytest.mark.parametrize("mixture", [0.2, 0.7])
def test_it_equals_sewar(mixture: float) -> None:
    source = textured(0)
    fused = (1 - mixture) * source + mixture * textured(1)
    assert float(vif(tensor(fused), tensor(source))) == pytest.approx(sewar.vifp(source, fused), rel=1e-9)


def test_it_equals_sewar_where_both_images_are_black() -> None:
    source, fused = textured(0), textured(1)
    source[:30] = fused[:30] = 0
    assert float(vif(tensor(fused), tensor(source))) == pytest.approx(sewar.vifp(source, fused), rel=1e-9)


def test_a_copy_is_one_and_an_unrelated_image_near_zero() -> None:
    assert float(vif(tensor(textured(0)), tensor(textured(0)))) == pytest.approx(1, abs=1e-6)
    assert float(vif(tensor(textured(5)), tensor(textured(0)))) < 0.1


def test_the_names_and_their_order_are_those_of_the_tables() -> None:
    names = (
        "SSIM(A), SSIM(B), SSIM sum, EPI(A), EPI(B), EPI sum, EPIg(A), EPIg(B), SF, AG, QNCIE, QNCIE_r, FMI, VIF, QABF"
    )
    images = np.random.default_rng(1).integers(0, 256, (3, 48, 50))
    assert list(measure(*images)) == [*names.split(", "), "SSIM balance", "EPI balance"]


def test_each_metric_is_measured_against_its_own_source() -> None:
    a, b = np.random.default_rng(0).integers(0, 256, (2, 48, 50)).astype(float)
    of_a = measure(a, b, a)
    assert of_a["SSIM(A)"] == pytest.approx(1)
    assert of_a["EPI(A)"] == pytest.approx(1)
    assert of_a["SSIM(B)"] < 0.5
    assert of_a["EPI(B)"] < 0.5
    of_b = measure(a, b, b)
    assert of_b["SSIM(B)"] == pytest.approx(1)
    assert of_b["SSIM sum"] == pytest.approx(of_b["SSIM(A)"] + of_b["SSIM(B)"])
    assert of_b["EPI sum"] == pytest.approx(of_b["EPI(A)"] + of_b["EPI(B)"])
    assert of_b["VIF"] == pytest.approx(0.5, abs=0.05)


def vif_of(fused: np.ndarray, source: np.ndarray) -> float:
    return float(vif(*(torch.tensor(image)[None, None] / 255 for image in (fused, source))))


def test_fmi_and_vif_are_means_of_both_sources() -> None:
    a, b, fused = np.random.default_rng(2).integers(0, 256, (3, 48, 50)).astype(float)
    measured = measure(a, b, fused)
    assert measured["FMI"] == pytest.approx((fmi(a, fused) + fmi(b, fused)) / 2)
    assert measured["VIF"] == pytest.approx((vif_of(fused, a) + vif_of(fused, b)) / 2)


def test_balance_is_that_of_the_lesser_source_to_the_greater() -> None:
    a, noise = np.random.default_rng(3).integers(0, 256, (2, 48, 50)).astype(float)
    b = (a + noise) / 2
    copy = measure(a, b, a)
    assert copy["SSIM balance"] == pytest.approx(copy["SSIM(B)"])
    assert copy["EPI balance"] == pytest.approx(copy["EPI(B)"])
    assert measure(b, a, a)["EPI balance"] == pytest.approx(copy["EPI balance"])


def test_a_source_turned_upside_down_leaves_no_balance() -> None:
    a, b = np.random.default_rng(4).integers(0, 256, (2, 48, 50)).astype(float)
    inverting = measure(a, b, 128 + a / 4 - b / 2)
    assert inverting["EPI(B)"] < 0
    assert inverting["EPI balance"] == 0
