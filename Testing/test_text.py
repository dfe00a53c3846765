"""Text as it is shown, JSON, and checks of single values."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.text import printable, to_json


def test_a_name_that_commands_a_terminal_is_only_a_name() -> None:
    assert printable("head\x1b]0;owned\x07\r\n\u202eß.nii") == "head?]0;owned????ß.nii"
    assert printable("/data/Größe 1/T1.nii.gz") == "/data/Größe 1/T1.nii.gz"


def test_what_is_not_finite_becomes_null_wherever_it_stands() -> None:
    value = {"a": math.nan, "b": [math.inf, 1.5, (-math.inf,)], "c": {"d": math.nan, "e": "NaN"}}
    assert json.loads(to_json(value), parse_constant=lambda name: 1 / 0) == {
        "a": None, "b": [None, 1.5, [None]], "c": {"d": None, "e": "NaN"}
    }  # fmt: skip


NO_NUMBERS = (None, True, "1", b"1", [1], {"a": 1}, 1j, math.nan, math.inf, 10**400, object())


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_become_plain_ones(value: object) -> None:
    assert type(checks.whole_number(value, "seed", "a number", low=0, high=9)) is int


@pytest.mark.parametrize("value", [*NO_NUMBERS, 1.0, -1, 10])
def test_what_is_no_whole_number_in_range_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="The seed is .*; give a number"):
        checks.whole_number(value, "seed", "a number", low=0, high=9)


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), Fraction(1, 2)])
def test_numbers_become_plain_floats(value: object) -> None:
    assert type(checks.number(value, "balance", "a number", low=0, high=1)) is float


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="The balance is .*; give a number"):
        checks.number(value, "balance", "a number", low=-math.inf, high=math.inf)


def test_a_long_value_is_shown_in_part_and_on_one_line() -> None:
    said = checks.shown("a\n" * 1000)
    assert len(said) < 80 and "\n" not in said
    assert checks.shown(10**5000) == "a number too long to write"
