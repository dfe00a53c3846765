from __future__ import annotations

import numpy as np
import torch

from CSAFusionLib.evaluation.methods.network import by_network
from CSAFusionLib.network.csafusion import CSAFusion


def test_the_network_gets_a_as_its_first_channel() -> None:
    torch.manual_seed(0)
    network = CSAFusion().eval()
    a, b = np.random.default_rng(0).random((2, 32, 40), dtype=np.float32)
    expected = network(torch.from_numpy(np.stack([a, b]))[None])[0, 0].detach().numpy()
    np.testing.assert_allclose(by_network(network)(a, b), expected, atol=1e-6)
