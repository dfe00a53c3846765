from __future__ import annotations

import pytest
import torch

from CSAFusionLib.losses.balance import balance_loss
from CSAFusionLib.losses.structural_similarity import ssim_loss


def test_a_copy_of_one_source_costs_the_square_of_what_it_lacks_of_the_other() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 1, 20, 20)
    lacking = float(ssim_loss(a, b))
    assert float(balance_loss(a, a, b)) == pytest.approx(lacking**2)
    assert float(balance_loss(b, a, b)) == pytest.approx(lacking**2)


def test_an_image_as_far_from_both_costs_nothing() -> None:
    torch.manual_seed(0)
    a = torch.rand(2, 1, 20, 20)
    assert float(balance_loss(torch.rand_like(a), a, a)) == 0


def test_opposite_leanings_in_a_batch_do_not_cancel() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 1, 20, 20)
    fused = torch.cat([a, b])
    assert float(balance_loss(fused, torch.cat([a, a]), torch.cat([b, b]))) > 0.1
