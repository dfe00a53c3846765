"""CSAFusionLib.network.csafusion"""

from __future__ import annotations

import torch

from CSAFusionLib.network.csafusion import PointwiseGains


@torch.inference_mode()
def test_only_a_pixel_s_own_two_values_count() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 2, 12, 12)
    changed = x.clone()
    changed[:, :, 5, 7] = 1
    before, after = (a_map()(both) for both in (x, changed))
    differs = (before != after).any(dim=1)[0]
    assert differs.nonzero().tolist() == [[5, 7]]


def a_map() -> PointwiseGains:
    torch.manual_seed(1)
    return PointwiseGains()
