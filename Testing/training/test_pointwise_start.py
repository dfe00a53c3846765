"""CSAFusionLib.training.pointwise_start"""

from __future__ import annotations

import pytest
import torch

from CSAFusionLib.errors import InputError
from CSAFusionLib.losses.fusion_loss import LossWeights
from CSAFusionLib.network.configuration import CONFIGURATIONS
from CSAFusionLib.network.csafusion import CSAFusion, PointwiseGains
from CSAFusionLib.training.pointwise_start import STARTS, PointwiseOnly, check_start, fit_start, train_pointwise


@pytest.mark.parametrize("name", STARTS)
def test_a_start_is_fitted_closely(name: str) -> None:
    torch.manual_seed(0)
    pointwise = PointwiseGains()
    fit_start(pointwise, name)
    pairs = torch.rand(1, 2, 64, 64)
    with torch.no_grad():
        error = PointwiseOnly(pointwise)(pairs) - STARTS[name](*pairs.split(1, dim=1)).clamp(0, 1)
    assert float(error.square().mean().sqrt()) < 0.03


def test_a_start_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="'maximum'.*average, b-less-a"):
        check_start("maximum")


def test_training_it_alone_changes_no_other_part() -> None:
    torch.manual_seed(0)
    network = CSAFusion(CONFIGURATIONS["consistent"])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    weights = LossWeights(1, 1, 0, 0, 0, 0)
    train_pointwise(network, torch.rand(3, 1, 2, 2, 48, 48), 3, weights, 0.7)
    changed = {
        name.split(".")[0] for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"pointwise"}
