from __future__ import annotations

import numpy as np
import pytest
import torch

from CSAFusionLib.evaluation.metrics.edge_preservation import epi
from CSAFusionLib.losses.edge_correlation import edge_loss


def test_it_is_one_minus_the_edge_preservation_index() -> None:
    random = np.random.default_rng(0)
    fused, source = random.random((2, 30, 33))
    loss = edge_loss(torch.tensor(fused)[None, None], torch.tensor(source)[None, None])
    assert float(loss) == pytest.approx(1 - epi(255 * source, 255 * fused), abs=1e-6)


def test_a_patch_without_edges_costs_one_and_has_a_finite_gradient() -> None:
    fused = torch.zeros(1, 1, 16, 16, requires_grad=True)
    loss = edge_loss(fused, torch.rand(1, 1, 16, 16))
    loss.backward()
    assert loss.item() == pytest.approx(1)
    assert torch.isfinite(fused.grad).all()


def test_its_gradient_is_right() -> None:
    torch.manual_seed(0)
    fused = torch.rand(2, 1, 7, 8, dtype=torch.float64, requires_grad=True)
    source = torch.rand(2, 1, 7, 8, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f: edge_loss(f, source), fused)
