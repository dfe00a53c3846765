"""The terms of the loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from sewar.full_ref import vifp
from skimage.metrics import structural_similarity

from CSAFusionLib.losses.terms import (
    CONTRAST_OMEGA,
    CONTRAST_WINDOW,
    REGULARISATION,
    artefact_loss,
    clipping_loss,
    consistency_loss,
    contrast_loss,
    edge_loss,
    gradient_loss,
    highlights_loss,
    local_contrast,
    retention_loss,
    rmi_loss,
    ssim_loss,
    ssim_parity_loss,
    transfer_loss,
    vif_loss,
)
from CSAFusionLib.metrics.edge_metrics import epi, qabf


def a_ramp(slope: float) -> torch.Tensor:
    """Brighter by ``slope`` with each column."""
    return (slope * torch.arange(8.0)).expand(1, 1, 8, 8)


def test_the_steeper_source_costs_nothing_wherever_its_brightness_lies() -> None:
    assert float(gradient_loss(a_ramp(0.1) - 0.2, a_ramp(0.1), a_ramp(0.02))) == pytest.approx(0, abs=1e-6)


def test_the_flatter_source_costs_the_difference_of_the_slopes() -> None:
    # One of the two directions differs, by 0.08.
    assert float(gradient_loss(a_ramp(0.02), a_ramp(0.1), a_ramp(0.02))) == pytest.approx(0.04, abs=1e-6)


def test_a_gradient_turned_round_costs_twice_its_slope() -> None:
    assert float(gradient_loss(a_ramp(-0.1), a_ramp(0.1), a_ramp(0.0))) == pytest.approx(0.1, abs=1e-6)


def test_the_sources_can_be_exchanged() -> None:
    torch.manual_seed(0)
    fused, a, b = torch.rand(3, 2, 1, 12, 12)
    assert float(gradient_loss(fused, a, b)) == pytest.approx(float(gradient_loss(fused, b, a)))


def alternating(low: float, high: float, size: int = 20) -> torch.Tensor:
    index = torch.arange(size)
    return torch.where((index[:, None] + index) % 2 == 0, high, low)[None, None].double()


def test_the_contrast_of_a_checkerboard_is_as_worked_out_by_hand() -> None:
    # A 7x7 window holds 25 squares of one kind and 24 of the other.
    assert CONTRAST_WINDOW == 7
    bright = torch.tensor([0.8] * 25 + [0.2] * 24).double()
    expected = math.sqrt(bright.var(correction=0) / (bright.mean() + CONTRAST_OMEGA))
    assert float(local_contrast(alternating(0.2, 0.8))[0, 0, 0, 0]) == pytest.approx(expected, abs=2e-3)


def test_a_flat_image_has_no_contrast_whether_dark_or_bright() -> None:
    for level in (0.0, 0.5, 1.0):
        contrast = local_contrast(torch.full((1, 1, 16, 16), level).double())
        assert contrast.abs().max() < 1e-3


def test_a_copy_of_the_stronger_source_costs_nothing() -> None:
    strong, weak = alternating(0.1, 0.9), alternating(0.4, 0.6)
    assert float(contrast_loss(strong, strong, weak)) == pytest.approx(0, abs=1e-9)
    assert float(contrast_loss(strong, weak, strong)) == pytest.approx(0, abs=1e-9)


def test_only_the_stronger_source_has_a_say() -> None:
    strong, weak = alternating(0.1, 0.9), alternating(0.4, 0.6)
    smoothed = alternating(0.3, 0.7)
    assert float(contrast_loss(smoothed, strong, weak)) > 0.1
    assert float(contrast_loss(smoothed, weak, strong)) == pytest.approx(0, abs=1e-9)


def test_too_smooth_and_too_noisy_both_cost() -> None:
    strong, weak = alternating(0.3, 0.7), alternating(0.45, 0.55)
    assert float(contrast_loss(alternating(0.4, 0.6), strong, weak)) > 0.05
    assert float(contrast_loss(alternating(0.1, 0.9), strong, weak)) > 0.05


def test_a_local_loss_is_not_made_up_for_elsewhere() -> None:
    source = torch.cat([alternating(0.2, 0.8)] * 2, dim=3)
    shifted = torch.cat([alternating(0.1, 0.9), alternating(0.3, 0.7)], dim=3)
    assert float(contrast_loss(shifted, source, torch.zeros_like(source))) > 0.1


def test_the_gradient_of_contrast_is_right() -> None:
    torch.manual_seed(0)
    fused = torch.rand(1, 1, 10, 11, dtype=torch.float64, requires_grad=True)
    source, other = torch.rand(2, 1, 1, 10, 11, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f: contrast_loss(f, source, other), fused)


BONE = torch.ones(1, 1, 8, 8)


def test_clipping_costs_what_is_above_white_squared_and_pulls_it_down() -> None:
    burnt = torch.tensor([0.2, 1.0, 1.5, 2.0], requires_grad=True)
    loss = clipping_loss(burnt.view(1, 1, 2, 2))
    loss.backward()
    assert loss.item() == pytest.approx((0.25 + 1) / 4)
    assert burnt.grad is not None and burnt.grad.tolist() == [0, 0, 0.25, 0.5]


@pytest.mark.parametrize(("fused", "lost"), [(1.0, 0), (0.5, 0.25), (0.0, 1)])
def test_bone_that_is_grey_costs_what_it_lacks_squared_from_either_source(fused: float, lost: float) -> None:
    for a, b in ((BONE, 0 * BONE), (0 * BONE, BONE)):
        assert float(highlights_loss(fused * BONE, a, b)) == pytest.approx(lost)


def test_grey_tissue_hardly_counts_and_what_is_brighter_than_both_not_at_all() -> None:
    assert float(highlights_loss(0 * BONE, 0.3 * BONE, 0.2 * BONE)) < 1e-3
    assert float(highlights_loss(BONE, 0.9 * BONE, 0.5 * BONE)) == 0


@pytest.fixture
def sources() -> torch.Tensor:
    """Two unlike textures, (2, 1, 1, 40, 40)."""
    torch.manual_seed(0)
    return torch.rand(2, 1, 1, 40, 40)


def test_any_even_mixture_of_the_sources_costs_almost_nothing(sources: torch.Tensor) -> None:
    a, b = sources
    for fused in (a, b, 0.5 * (a + b), 0.9 * a - 0.3 * b + 0.2):
        assert float(artefact_loss(fused, a, b)) < 5e-3


def test_a_patchwork_of_the_sources_costs_more_the_more_seams_it_has(sources: torch.Tensor) -> None:
    a, b = sources
    column = torch.arange(40)
    costs = [float(artefact_loss(torch.where(column // width % 2 == 0, a, b), a, b)) for width in (40, 20, 10, 5)]
    assert costs == sorted(costs) and costs[0] < 5e-3 and costs[-1] > 0.1


def test_noise_of_its_own_costs_about_its_spread(sources: torch.Tensor) -> None:
    a, b = sources
    fused = 0.5 * (a + b) + 0.05 * torch.randn_like(a)
    assert float(artefact_loss(fused, a, b)) == pytest.approx(0.05, rel=0.15)


def test_flat_images_have_a_finite_gradient_of_artefacts() -> None:
    fused = torch.full((1, 1, 20, 20), 0.5, requires_grad=True)
    flat = torch.zeros(1, 1, 20, 20)
    artefact_loss(fused, flat, flat).backward()
    assert fused.grad is not None and bool(torch.isfinite(fused.grad).all())


def two_tissues() -> torch.Tensor:
    """Two tissues side by side in both patches, (2, 2, 16, 16)."""
    sources = torch.full((2, 2, 16, 16), 0.3)
    sources[:, 1, :, 8:] = 0.8
    return sources


def test_a_function_of_the_two_values_costs_nothing_whatever_it_is() -> None:
    sources = two_tissues()
    assert float(consistency_loss((sources[:, :1] - sources[:, 1:]).abs() ** 2, sources)) == pytest.approx(0, abs=1e-12)


def test_one_tissue_shown_in_two_greys_costs_their_variance_also_from_patch_to_patch() -> None:
    sources = two_tissues()
    fused = torch.full((2, 1, 16, 16), 0.5)
    fused[1] = 0.7
    assert float(consistency_loss(fused, sources)) == pytest.approx(0.01, abs=1e-6)
    within = fused[:1].clone()
    within[:, :, :8] = 0.7
    assert float(consistency_loss(within, sources[:1])) == pytest.approx(0.01, abs=1e-6)


def test_air_and_rare_pairs_of_values_do_not_count() -> None:
    sources = torch.zeros(1, 2, 16, 16)
    sources[..., 0, :7] = 0.5
    assert float(consistency_loss(torch.rand(1, 1, 16, 16), sources)) == 0


def test_its_gradient_pulls_the_greys_of_a_tissue_together() -> None:
    fused = torch.full((2, 1, 16, 16), 0.5)
    fused[1] = 0.7
    fused.requires_grad_()
    consistency_loss(fused, two_tissues()).backward()
    assert (fused.grad[0] < 0).all()
    assert (fused.grad[1] > 0).all()


def by_hand(fused: np.ndarray, source: np.ndarray) -> float:
    """Half the log-determinant of the posterior covariance per dimension, through numpy's joint covariance."""
    height, width = fused.shape
    places = [(row, column) for row in range(1, height - 1) for column in range(1, width - 1)]
    regions = [
        np.array([image[r - 1 : r + 2, c - 1 : c + 2].ravel() for r, c in places]).T for image in (source, fused)
    ]
    joint = np.cov(np.vstack(regions), bias=True)
    of_source, across, of_fused = joint[:9, :9], joint[:9, 9:], joint[9:, 9:] + REGULARISATION * np.eye(9)
    posterior = of_source - across @ np.linalg.inv(of_fused) @ across.T + REGULARISATION * np.eye(9)
    return 0.5 * np.linalg.slogdet(posterior)[1] / 9


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.tensor(image)[None, None]


def test_it_equals_the_posterior_covariance_worked_out_with_numpy() -> None:
    random = np.random.default_rng(0)
    source = random.random((14, 17))
    fused = 0.6 * source + 0.4 * random.random((14, 17))
    assert float(rmi_loss(as_tensor(fused), as_tensor(source))) == pytest.approx(by_hand(fused, source), abs=1e-9)


def test_rmi_is_the_mean_over_the_batch() -> None:
    random = np.random.default_rng(1)
    fused, source = torch.tensor(random.random((2, 3, 1, 12, 12)))
    each = [float(rmi_loss(fused[i : i + 1], source[i : i + 1])) for i in range(3)]
    assert float(rmi_loss(fused, source)) == pytest.approx(np.mean(each), abs=1e-12)


def test_it_is_lower_the_more_the_fused_image_tells() -> None:
    random = np.random.default_rng(2)
    source, noise = random.random((2, 24, 24))
    losses = [float(rmi_loss(as_tensor((1 - t) * source + t * noise), as_tensor(source))) for t in (0, 0.3, 1)]
    assert losses == sorted(losses)
    # A copy leaves nothing open but the regularisation, counted once in the given and once in the posterior.
    assert losses[0] == pytest.approx(0.5 * np.log(2 * REGULARISATION), abs=0.01)


def test_an_inverted_copy_tells_as_much_as_a_copy() -> None:
    source = np.random.default_rng(3).random((16, 16))
    copy, inverted = (float(rmi_loss(as_tensor(image), as_tensor(source))) for image in (source, 1 - source))
    assert copy == pytest.approx(inverted, abs=1e-9)


def test_flat_images_give_a_finite_loss_and_gradient() -> None:
    fused = torch.zeros(1, 1, 16, 16, requires_grad=True)
    loss = rmi_loss(fused, torch.zeros(1, 1, 16, 16))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(fused.grad).all()


def test_the_gradient_of_rmi_is_right() -> None:
    torch.manual_seed(0)
    fused = torch.rand(1, 1, 8, 9, dtype=torch.float64, requires_grad=True)
    source = torch.rand(1, 1, 8, 9, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f: rmi_loss(f, source), fused)


FLAT = torch.full((3, 2, 64, 64), 0.5)


def lesions() -> torch.Tensor:
    """A bright one in the first pair's A, a dark one in the second pair's B, none in the third."""
    images = torch.zeros_like(FLAT)
    images[0, 0, 20:30, 20:30], images[1, 1, 40:44, 10:15] = 0.3, -0.1
    return images


def loss(fused: torch.Tensor, change: torch.Tensor, sources: torch.Tensor = FLAT) -> float:
    return float(retention_loss(fused, fused + change, sources, sources + lesions()))


def both_sources(change: torch.Tensor) -> torch.Tensor:
    return change.sum(dim=1, keepdim=True)


def checkerboard(amplitude: float) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    return amplitude * (1 - 2 * ((rows + columns) % 2)).float()


@pytest.mark.parametrize(("kept", "lost"), [(1.2, 0), (1, 0), (0.7, 0), (0.5, 0.04), (0, 0.49), (-0.5, 0.04)])
def test_it_is_the_shortfall_from_seven_tenths_squared_of_bright_and_dark_ones_alike(kept: float, lost: float) -> None:
    assert loss(FLAT[:, :1], kept * both_sources(lesions())) == pytest.approx(lost, abs=1e-6)


@pytest.mark.parametrize(("target", "lost"), [(1, 0.36), (0.5, 0.01), (0.4, 0)])
def test_the_target_says_how_much_is_enough(target: float, lost: float) -> None:
    change = 0.4 * both_sources(lesions())
    found = retention_loss(FLAT[:, :1], FLAT[:, :1] + change, FLAT, FLAT + lesions(), target)
    assert float(found) == pytest.approx(lost, abs=1e-6)


def test_what_changes_outside_the_lesions_does_not_count() -> None:
    change = torch.where(both_sources(lesions()) == 0, 0.5, both_sources(lesions()))
    assert loss(FLAT[:, :1], change) == 0


@pytest.mark.parametrize(("source", "fused", "stands_out"), [(0, 0.08, 0.25), (0.04, 0.08, 0.5), (0.04, 0, 1)])
def test_texture_that_the_source_has_not_hides_a_lesion_and_less_texture_does_not_help(
    source: float, fused: float, stands_out: float
) -> None:
    short = max(0, 0.7 - stands_out) ** 2
    found = loss(FLAT[:, :1] + checkerboard(fused), both_sources(lesions()), FLAT + checkerboard(source))
    assert found == pytest.approx(short, abs=0.01)


def test_a_lesion_in_both_sources_counts_where_it_stands_out_more() -> None:
    marked = FLAT.clone()
    marked[:, 0, 20:30, 20:30] -= 0.1
    marked[:, 1, 20:30, 20:30] += 0.3
    change = (marked - FLAT).sum(dim=1, keepdim=True)  # two thirds of the better source's contrast are left
    found = retention_loss(FLAT[:, :1], FLAT[:, :1] + change, FLAT, marked)
    assert float(found) == pytest.approx((0.7 - 2 / 3) ** 2, abs=1e-5)


def test_without_any_lesion_it_is_nothing() -> None:
    torch.manual_seed(0)
    assert float(retention_loss(*torch.rand(2, 2, 1, 32, 32), FLAT[:2, :, :32, :32], FLAT[:2, :, :32, :32])) == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_its_gradient_makes_what_little_is_left_of_a_lesion_stand_out_more(sign: int) -> None:
    left = 0.1 * sign * both_sources(lesions())
    fused = (FLAT[:, :1] + left).requires_grad_()
    retention_loss(FLAT[:, :1], fused, FLAT, FLAT + lesions()).backward()
    assert fused.grad is not None
    assert torch.equal(torch.sign(fused.grad), -torch.sign(left))


def test_flat_images_give_a_finite_gradient() -> None:
    fused = FLAT[:, :1].clone().requires_grad_()
    retention_loss(fused, fused + 0, FLAT, FLAT + lesions()).backward()
    assert torch.isfinite(fused.grad).all()


def test_the_better_source_is_where_a_lesion_stands_out_not_where_it_has_more_contrast() -> None:
    sources = FLAT[:1].clone()
    sources[:, 1] += checkerboard(0.12)
    change = torch.zeros_like(sources)
    change[:, 0, 20:30, 20:30], change[:, 1, 20:30, 20:30] = 0.2, -0.22
    fused = sources[:, 1:]
    found = retention_loss(fused, fused + change[:, 1:], sources, sources + change)
    assert float(found) == pytest.approx((0.7 - 1.1 / 6) ** 2, abs=0.01)


def textures(count: int, size: int = 64) -> torch.Tensor:
    """Smooth pictures (count, 1, 1, size, size) in [0, 1], double."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((count, size, size)), (0, 1.8, 1.8))
    return torch.tensor((smooth - smooth.min()) / np.ptp(smooth))[:, None, None]


def test_the_ssim_loss_is_one_minus_what_scikit_image_finds_on_the_valid_region() -> None:
    fused, source = np.random.default_rng(0).random((2, 40, 37))
    _, similarity = structural_similarity(
        fused, source, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, full=True
    )
    loss = ssim_loss(torch.tensor(fused)[None, None], torch.tensor(source)[None, None])
    assert float(loss) == pytest.approx(1 - similarity[5:-5, 5:-5].mean(), abs=1e-6)


def test_the_vif_loss_is_one_minus_what_sewar_finds() -> None:
    a, source = textures(2)
    fused = 0.6 * source + 0.4 * a
    expected = 1 - vifp(255 * source[0, 0].numpy(), 255 * fused[0, 0].numpy())
    assert float(vif_loss(fused, source)) == pytest.approx(expected, abs=1e-4)


def test_a_black_image_keeps_no_visual_information() -> None:
    (source,) = textures(1)
    assert float(vif_loss(torch.zeros_like(source), source)) == pytest.approx(1)


def test_the_edge_loss_is_one_minus_the_edge_preservation_index() -> None:
    fused, source = torch.rand(2, 1, 1, 30, 33, dtype=torch.float64)
    assert float(edge_loss(fused, source)) == pytest.approx(1 - float(epi(fused, source)), abs=1e-6)


@pytest.mark.parametrize("share", [0, 0.3, 0.5, 0.8, 1])
def test_the_transfer_loss_is_one_minus_the_metric(share: float) -> None:
    a, b = textures(2)
    fused = share * a + (1 - share) * b
    # The metric counts directions near the vertical, up and down, as far apart; the loss counts them as alike.
    assert float(transfer_loss(fused, a, b)) == pytest.approx(1 - float(qabf(fused, a, b)), abs=0.02)


def test_a_flat_image_transfers_no_gradient() -> None:
    (source,) = textures(1)
    assert float(transfer_loss(source, source, source)) < 0.03
    assert float(transfer_loss(torch.full_like(source, 0.5), source, source)) > 0.99


@pytest.mark.parametrize("loss", [ssim_loss, vif_loss, edge_loss])
def test_a_perfect_copy_costs_nothing(loss) -> None:
    (source,) = textures(1)
    assert float(loss(source, source)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", [ssim_loss, vif_loss, edge_loss])
def test_a_metric_turned_round_is_the_mean_over_the_batch(loss) -> None:
    fused, source = textures(4).reshape(2, 2, 1, 64, 64)
    each = [float(loss(f[None], s[None])) for f, s in zip(fused, source, strict=True)]
    assert float(loss(fused, source)) == pytest.approx(np.mean(each))


@pytest.mark.parametrize("loss", [ssim_loss, vif_loss, edge_loss])
def test_the_gradient_of_a_metric_turned_round_is_right(loss) -> None:
    source, other = textures(2, 41)
    fused = (0.5 * other + 0.5 * source).requires_grad_()
    assert torch.autograd.gradcheck(lambda image: loss(image, source), fused, fast_mode=True)


@pytest.mark.parametrize(
    "loss",
    [
        vif_loss,
        edge_loss,
        lambda fused, source: transfer_loss(fused, source, torch.zeros_like(source)),
    ],
)
@pytest.mark.parametrize("flat", ["fused", "source"])
def test_flat_images_have_a_finite_gradient(loss, flat: str) -> None:
    torch.manual_seed(0)
    fused, source = torch.rand(2, 1, 1, 48, 48)
    if flat == "fused":
        fused = torch.full_like(fused, 0.5)
    else:
        source = torch.zeros_like(source)
    fused.requires_grad_()
    loss(fused, source).backward()
    assert fused.grad is not None and bool(torch.isfinite(fused.grad).all())


def test_a_copy_of_one_source_costs_the_square_of_what_it_lacks_of_the_other() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 1, 20, 20)
    lacking = float(ssim_loss(a, b))
    assert float(ssim_parity_loss(a, a, b)) == pytest.approx(lacking**2)
    assert float(ssim_parity_loss(b, a, b)) == pytest.approx(lacking**2)


def test_an_image_as_far_from_both_costs_no_parity() -> None:
    torch.manual_seed(0)
    a = torch.rand(2, 1, 20, 20)
    assert float(ssim_parity_loss(torch.rand_like(a), a, a)) == 0


def test_opposite_leanings_in_a_batch_do_not_cancel() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 1, 20, 20)
    fused = torch.cat([a, b])
    assert float(ssim_parity_loss(fused, torch.cat([a, a]), torch.cat([b, b]))) > 0.1
