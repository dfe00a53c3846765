"""CSAFusionLib.fusion.result"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from CSAFusionLib.fusion.result import FusionResult

GIVEN: dict[str, Any] = {"fused": "fused", "registration": None, "provenance": {}, "warnings": []}
IMAGES = ("fixed_mapped", "moving_mapped", "moving_on_grid")


def test_what_is_given_as_a_function_is_made_when_it_is_read_and_once() -> None:
    made: list[str] = []
    makers = {name: lambda name=name: made.append(name) or name for name in (*IMAGES, "figures")}
    result = FusionResult(**GIVEN, **makers)
    assert made == []
    for name in ("moving_on_grid", "moving_on_grid", "figures"):
        assert getattr(result, name) == name
    assert made == ["moving_on_grid", "figures"]
    repr(result)
    assert made == ["moving_on_grid", "figures"]


def test_what_is_there_can_be_given_as_it_is() -> None:
    result = FusionResult(**GIVEN, **dict.fromkeys(IMAGES, "image"))
    assert (result.fixed_mapped, result.figures, result.contribution) == ("image", {}, None)
    assert replace(result, warnings=["w"]).moving_mapped == "image"


def test_an_image_that_is_not_given_is_missed_at_once() -> None:
    with pytest.raises(TypeError, match="moving_on_grid"):
        FusionResult(**GIVEN, fixed_mapped=1, moving_mapped=2)
