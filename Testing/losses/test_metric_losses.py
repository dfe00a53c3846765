from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from sewar.full_ref import vifp
from skimage.metrics import structural_similarity

from CSAFusionLib.losses.terms import edge_loss, ssim_loss, ssim_parity_loss, transfer_loss, vif_loss
from CSAFusionLib.metrics.edge_metrics import epi, qabf


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
def test_it_is_the_mean_over_the_batch(loss) -> None:
    fused, source = textures(4).reshape(2, 2, 1, 64, 64)
    each = [float(loss(f[None], s[None])) for f, s in zip(fused, source, strict=True)]
    assert float(loss(fused, source)) == pytest.approx(np.mean(each))


@pytest.mark.parametrize("loss", [ssim_loss, vif_loss, edge_loss])
def test_its_gradient_is_right(loss) -> None:
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
