from __future__ import annotations

import json

import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.network.configuration import CONFIGURATIONS, NetworkConfiguration


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_comes_back_from_json(name: str) -> None:
    configuration = CONFIGURATIONS[name]
    assert NetworkConfiguration.from_dict(json.loads(json.dumps(configuration.to_dict()))) == configuration


def test_unknown_entries_are_refused() -> None:
    with pytest.raises(InputError, match="depth"):
        NetworkConfiguration.from_dict({"depth": 3})


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 12},
        {"channels": 0},
        {"window": 7},
        {"token": 3},
        {"pointwise": True, "gains": False},
        {"reach": 0.4},
        {"pointwise": True, "reach": -1},
    ],
)
def test_values_the_network_cannot_be_built_with_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        NetworkConfiguration(**wrong)


def test_a_file_of_before_the_pointwise_part_is_a_network_without_it() -> None:
    former = NetworkConfiguration.from_dict({"channels": 8, "window": 8, "gains": True})
    assert (former.pointwise, former.token, former.reach) == (False, 1, 0)
