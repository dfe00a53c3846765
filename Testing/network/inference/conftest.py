"""Networks whose weights are not those of a fresh one, so that every folded term counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.network.csafusion import CSAFusion

Stir = Callable[[torch.nn.Module, float], None]


@pytest.fixture
def stir() -> Stir:
    """Moves every weight and statistic of a module at random and puts it into evaluation mode."""

    def move(module: torch.nn.Module, spread: float) -> None:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, value in module.state_dict().items():
                if value.is_floating_point():
                    noise = spread * torch.randn(value.shape, generator=generator)
                    value.copy_(noise.exp() if name.endswith("running_var") else value + noise)
        module.eval()

    return move


@pytest.fixture(
    params=[
        {"channels": 8},
        {"channels": 16},
        {"channels": 8, "pointwise": True, "token": 2},
        {"channels": 8, "pointwise": True, "token": 4, "reach": 0.4},
        {"channels": 8, "token": 0},
    ],
    ids=["one head", "two heads", "tokens of 2", "bounded, tokens of 4", "no attention in the decoder"],
)
def a_stirred_network(request: pytest.FixtureRequest, stir: Stir) -> CSAFusion:
    network = CSAFusion(NetworkConfiguration(**request.param))
    stir(network, 0.1)
    return network
