"""CSAFusionLib.text"""

from __future__ import annotations

import json
import math

from CSAFusionLib.text import to_json


def test_what_is_not_finite_becomes_null_wherever_it_stands() -> None:
    value = {"a": math.nan, "b": [math.inf, 1.5, (-math.inf,)], "c": {"d": math.nan, "e": "NaN"}}
    assert json.loads(to_json(value), parse_constant=lambda name: 1 / 0) == {
        "a": None, "b": [None, 1.5, [None]], "c": {"d": None, "e": "NaN"}
    }  # fmt: skip
