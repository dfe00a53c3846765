"""CSAFusionLib/intensity/windows.py."""

from __future__ import annotations

import numpy as np
import pytest

from CSAFusionLib.errors import InputError
from CSAFusionLib.intensity.windows import CT_WINDOWS, HEAD_CT, Window, parse_window


def test_level_and_width_give_the_black_and_white_values() -> None:
    assert (Window(40, 80).low, Window(40, 80).high) == (0, 80)


@pytest.mark.parametrize("name", CT_WINDOWS)
def test_every_preset_is_found_by_its_name(name: str) -> None:
    assert parse_window(name) == CT_WINDOWS[name]


@pytest.mark.parametrize("text", ["-600,1500", " -600 , 1500 ", "-6e2,1500.0"])
def test_level_and_width_are_read(text: str) -> None:
    assert parse_window(text) == Window(-600, 1500)


@pytest.mark.parametrize("text", ["", "brian", "40", "40,80,1", "40;80"])
def test_what_is_no_window_is_refused_with_the_presets(text: str) -> None:
    with pytest.raises(InputError, match="give one of brain, .*, or 'level,width' such as '40,80'"):
        parse_window(text)


@pytest.mark.parametrize("text", ["40,0", "40,-80", "nan,80", "40,inf"])
def test_a_width_that_shows_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="give a width above 0"):
        parse_window(text)


def test_the_default_of_a_head_tells_brain_blood_and_bone_apart() -> None:
    def shown(hounsfield: float) -> float:
        return float(np.interp(hounsfield, (HEAD_CT.black, HEAD_CT.knee, HEAD_CT.white), (0, HEAD_CT.brightness, 1)))

    assert shown(-1000) == shown(-100) == 0
    assert 255 * (shown(38) - shown(30)) > 20
    assert shown(75) - shown(38) > 0.3
    assert shown(700) > 0.9
    assert 255 * (shown(1000) - shown(300)) > 20
