"""What the figures of a registration mean."""

from __future__ import annotations

import pytest

from CSAFusionLib.registration.quality.grading import Level, judge

RIGHT = {
    "jacobian_min": 1.0,
    "scale_min": 1.0,
    "scale_max": 1.02,
    "head_overlap": 0.9,
    "best_share": 0.98,
    "better_mm": 0.6,
    "better_certainty": 1.0,
    "elsewhere_share": 0.5,
    "mirror_certainty": -8.0,
    "peak": 0.5,
}


def test_figures_of_a_right_registration_are_good() -> None:
    verdict = judge(RIGHT)
    assert verdict.level is Level.GOOD
    assert verdict.reason == (
        "The check tried other shifts and turns, and none matches clearly better: the best match is 0.6 mm from this "
        "alignment."
    )


@pytest.mark.parametrize(
    ("figures", "level", "reason"),
    [
        ({"jacobian_min": 0.0}, Level.BAD, "folds"),
        ({"better_mm": 7.0, "better_certainty": 6.0}, Level.BAD, "turned by about 7 mm"),
        ({"better_mm": 7.0, "better_certainty": 2.0}, Level.DOUBTFUL, "turned by about 7.0 mm"),
        ({"better_mm": 4.4, "better_certainty": 9.0}, Level.DOUBTFUL, "turned by about 4.4 mm"),
        ({"better_mm": 3.0, "best_share": 0.7}, Level.DOUBTFUL, "turned by about 3.0 mm"),
        ({"mirror_certainty": 5.0}, Level.BAD, "mirrored"),
        ({"mirror_certainty": 2.0}, Level.DOUBTFUL, "mirrored"),
        ({"mirror_certainty": 0.0}, Level.GOOD, "Left and right look so alike"),
        ({"head_overlap": 0.1}, Level.DOUBTFUL, "only 10% of the anatomy"),
        ({"peak": 0.01}, Level.DOUBTFUL, "hardly changes"),
        ({"elsewhere_share": 0.98}, Level.DOUBTFUL, "another place"),
        ({"scale_max": 1.6}, Level.DOUBTFUL, "1.00 to 1.60"),
    ],
)
def test_what_is_wrong_decides_the_level_and_is_named(figures: dict[str, float], level: Level, reason: str) -> None:
    verdict = judge(RIGHT | figures)
    assert verdict.level is level
    assert reason in verdict.reason
    assert verdict.reason.endswith(".")


def test_bad_comes_before_doubtful() -> None:
    assert judge(RIGHT | {"scale_max": 1.6, "mirror_certainty": 5.0}).level is Level.BAD


@pytest.mark.parametrize("name", RIGHT)
def test_a_figure_that_is_no_number_never_passes_for_good(name: str) -> None:
    verdict = judge(RIGHT | {name: float("nan")})
    assert verdict.level is Level.DOUBTFUL
    assert "not numbers" in verdict.reason
