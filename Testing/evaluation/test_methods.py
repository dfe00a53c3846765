from __future__ import annotations

import numpy as np
import torch

from CSAFusionLib.evaluation.methods import average, by_network, maximum
from CSAFusionLib.network.csafusion import CSAFusion

A, B = np.array([[0.2, 1.0]], np.float32), np.array([[0.6, 0.0]], np.float32)


def test_average_and_maximum_are_what_they_are_called() -> None:
    assert np.allclose(average(A, B), [[0.4, 0.5]])
    assert np.allclose(maximum(A, B), [[0.6, 1.0]])


def test_the_network_gets_a_as_its_first_channel() -> None:
    torch.manual_seed(0)
    network = CSAFusion().eval()
    a, b = np.random.default_rng(0).random((2, 32, 40), dtype=np.float32)
    expected = network(torch.from_numpy(np.stack([a, b]))[None])[0, 0].detach().numpy()
    np.testing.assert_allclose(by_network(network)(a, b), expected, atol=1e-6)
