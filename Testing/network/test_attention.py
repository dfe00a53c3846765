from __future__ import annotations

import torch

from CSAFusionLib.network.encoder import ChannelAttention, SpatialAttention


def test_channel_attention_multiplies_whole_channels_by_a_weight_below_one() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 8, 6, 6) + 0.5
    weight = ChannelAttention(8)(x) / x
    torch.testing.assert_close(weight, weight[:, :, :1, :1].expand_as(weight))
    assert 0 < weight.min() <= weight.max() < 1
    assert weight[0, :, 0, 0].std() > 1e-4


def test_spatial_attention_multiplies_all_channels_of_a_position_alike() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 8, 12, 12) + 0.5
    weight = SpatialAttention(8)(x) / x
    torch.testing.assert_close(weight, weight[:, :1].expand_as(weight))
    assert 0 < weight.min() <= weight.max() < 1
    assert weight[0, 0].std() > 1e-4
