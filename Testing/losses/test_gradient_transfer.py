from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from CSAFusionLib.evaluation.metrics.gradient_transfer import qabf
from CSAFusionLib.losses.gradient_transfer import transfer_loss


def pictures(count: int, size: int = 64) -> np.ndarray:
    noise = np.random.default_rng(0).random((count, size, size))
    smooth = ndimage.gaussian_filter(noise, (0, 1.5, 1.5))
    return (smooth - smooth.min()) / np.ptp(smooth)


def as_batch(*images: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(image)[None, None] for image in images]


@pytest.mark.parametrize("share", [0, 0.3, 0.5, 0.8, 1])
def test_it_is_one_minus_the_metric(share: float) -> None:
    a, b = pictures(2)
    fused = share * a + (1 - share) * b
    loss = transfer_loss(*as_batch(fused, a, b))
    # The metric counts directions near the vertical, up and down, as far apart; the loss counts them as alike.
    assert float(loss) == pytest.approx(1 - qabf(255 * a, 255 * b, 255 * fused), abs=0.02)


def test_a_source_fused_with_itself_costs_next_to_nothing_and_a_flat_image_everything() -> None:
    (source,) = as_batch(*pictures(1))
    assert float(transfer_loss(source, source, source)) < 0.03
    assert float(transfer_loss(torch.full_like(source, 0.5), source, source)) > 0.99


def test_it_is_the_mean_over_the_batch() -> None:
    images = torch.tensor(pictures(6)).reshape(3, 2, 1, 64, 64)
    each = [float(transfer_loss(*(image[i : i + 1] for image in images))) for i in range(2)]
    assert float(transfer_loss(*images)) == pytest.approx(np.mean(each))


def test_flat_images_give_a_finite_gradient() -> None:
    fused = torch.full((1, 1, 16, 16), 0.5, requires_grad=True)
    (source,) = as_batch(*pictures(1, 16))
    transfer_loss(fused, source.float(), torch.zeros(1, 1, 16, 16)).backward()
    assert torch.isfinite(fused.grad).all()
