"""CSAFusionLib.registration.check.verdict"""

from __future__ import annotations

import pytest

from CSAFusionLib.registration.check.verdict import verdict


@pytest.mark.parametrize(
    ("before", "after", "overlap", "said"),
    [
        (0.2, 0.5, 0.9, "agree better"),
        (0.5, 0.2, 0.9, "no better"),
        (0.5, 0.503, 0.9, "as well as before"),
        (0.2, 0.5, 0.01, "hardly overlap"),
    ],
)
def test_the_figures_decide_what_is_said_and_are_shown(before: float, after: float, overlap: float, said: str) -> None:
    sentence = verdict(
        {"mutual_information_before": before, "mutual_information_after": after, "overlap_after": overlap}
    )
    assert said in sentence and "overlay" in sentence
    assert f"{before:.2f} before, {after:.2f} after; overlap {overlap:.0%}" in sentence


def test_without_figures_nothing_is_said() -> None:
    assert verdict({}) == ""
