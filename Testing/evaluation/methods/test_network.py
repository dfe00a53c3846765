from __future__ import annotations

import numpy as np
import torch

from CSAFusionLib.evaluation.methods import slice_by_slice
from CSAFusionLib.evaluation.methods.network import NetworkMethod
from CSAFusionLib.network.csafusion import CSAFusion


def test_the_network_gets_a_as_its_first_channel() -> None:
    torch.manual_seed(0)
    network = CSAFusion().eval()
    a, b = np.random.default_rng(0).random((2, 32, 40), dtype=np.float32)
    expected = network(torch.from_numpy(np.stack([a, b]))[None])[0, 0].detach().numpy()
    np.testing.assert_allclose(NetworkMethod(network)(a, b), expected, atol=1e-6)


def test_the_slices_of_a_volume_share_their_gains_and_single_slices_do_not() -> None:
    torch.manual_seed(0)
    method = NetworkMethod(CSAFusion().eval())
    a, b = np.random.default_rng(0).random((2, 3, 32, 40), dtype=np.float32)
    alone = slice_by_slice(method)(a, b, 1)
    np.testing.assert_allclose(method.fuse_volume(a, b, 1000), alone, atol=1e-6)
    assert np.abs(method.fuse_volume(a, b, 1) - alone).max() > 1e-4


def test_a_balance_of_minus_one_leaves_b_out() -> None:
    method = NetworkMethod(CSAFusion().eval(), balance=-1)
    a = np.random.default_rng(0).random((32, 40), dtype=np.float32)
    assert not method(np.zeros_like(a), a).any()
