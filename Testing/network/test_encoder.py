from __future__ import annotations

import torch

from CSAFusionLib.network.encoder import EncoderFusion, ParallelEncoder, serial_encoder


def test_encoder_fusion_weighs_branches_by_position_with_weights_that_sum_to_one() -> None:
    torch.manual_seed(0)
    fusion = EncoderFusion(4, branches=3)
    same = torch.randn(2, 4, 9, 9)
    torch.testing.assert_close(fusion([same, same, same]), same)


def test_encoder_fusion_lies_between_its_branches_and_is_no_plain_mean() -> None:
    torch.manual_seed(0)
    fusion = EncoderFusion(4, branches=2)
    low, high = torch.rand(1, 4, 9, 9), torch.rand(1, 4, 9, 9) + 1
    share = (fusion([low, high]) - low) / (high - low)
    assert 0 < share.min() <= share.max() < 1
    assert share.std() > 1e-3


def test_parallel_branches_all_see_the_input_and_all_learn() -> None:
    torch.manual_seed(0)
    level = ParallelEncoder(4, 8, branches=3, attention=True)
    level(torch.randn(2, 4, 16, 16)).square().sum().backward()
    for branch in level.branches:
        assert branch[0].weight.grad.abs().max() > 0


def test_in_series_the_blocks_follow_each_other() -> None:
    level = serial_encoder(4, 8, 3, attention=False)
    assert [(block[0].in_channels, block[0].out_channels) for block in level] == [(4, 8), (8, 8), (8, 8)]
    assert level(torch.randn(1, 4, 16, 16)).shape == (1, 8, 16, 16)
