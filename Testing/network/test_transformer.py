from __future__ import annotations

import torch

from CSAFusionLib.network.decoder import TransformerBlock, sinusoidal_positions


def test_attention_reaches_across_the_whole_image() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 16, 64, 64, requires_grad=True)
    TransformerBlock(16)(x)[0, :, 0, 0].sum().backward()
    assert x.grad[0, :, -1, -1].abs().max() > 0


def test_every_position_has_a_code_of_its_own() -> None:
    codes = sinusoidal_positions(6, 5, 16, torch.device("cpu"))
    assert codes.shape == (30, 16)
    distances = torch.cdist(codes, codes) + 9 * torch.eye(30)
    assert distances.min() > 0.1
