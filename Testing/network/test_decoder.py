"""The decoder, and standard transformer blocks."""

from __future__ import annotations

import pytest
import torch

from CSAFusionLib.network.configuration import CONFIGURATIONS
from CSAFusionLib.network.decoder import DecoderStage, TransformerBlock, sinusoidal_positions


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


@pytest.mark.parametrize("token", [1, 2])
def test_a_stage_doubles_the_resolution_and_listens_to_both_of_its_inputs(token: int) -> None:
    torch.manual_seed(0)
    stage = DecoderStage(16, CONFIGURATIONS["full"], token=token)
    deep = torch.randn(2, 32, 8, 8, requires_grad=True)
    skip = torch.randn(2, 16, 16, 16, requires_grad=True)
    result = stage(deep, skip)
    assert result.shape == skip.shape
    result.square().sum().backward()
    assert deep.grad.abs().max() > 0
    assert skip.grad.abs().max() > 0
