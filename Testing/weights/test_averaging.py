from __future__ import annotations

import pytest
import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.network.configuration import NetworkConfiguration
from CSAFusionLib.network.csafusion import CSAFusion
from CSAFusionLib.weights.averaging import average_weights

SMALL = NetworkConfiguration(channels=8)


def networks() -> tuple[CSAFusion, CSAFusion]:
    torch.manual_seed(0)
    return CSAFusion(SMALL).eval(), CSAFusion(SMALL).eval()


def test_every_weight_lies_between_the_two() -> None:
    first, second = networks()
    averaged = average_weights(first, second, 0.25).state_dict()
    for name, value in first.state_dict().items():
        torch.testing.assert_close(averaged[name].double(), 0.75 * value.double() + 0.25 * second.state_dict()[name])


@pytest.mark.parametrize(("share", "same"), [(0, 0), (1, 1)])
def test_all_of_one_is_that_one(share: float, same: int) -> None:
    both, x = networks(), torch.rand(1, 2, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(average_weights(*both, share)(x), both[same](x))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        average_weights(*networks(), share)


def test_different_networks_are_refused() -> None:
    first, _ = networks()
    with pytest.raises(InputError, match="different networks"):
        average_weights(first, CSAFusion(NetworkConfiguration(channels=8, attention=False)), 0.5)
