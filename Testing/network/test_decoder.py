from __future__ import annotations

import pytest
import torch

from CSAFusionLib.network.configuration import CONFIGURATIONS
from CSAFusionLib.network.decoder import DecoderStage


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
