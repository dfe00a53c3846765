"""What the figures of a registration mean."""

from __future__ import annotations

import pytest

from CSAFusionLib.registration.quality.grading import Grade, quality_of

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
    quality = quality_of(RIGHT)
    assert quality.grade is Grade.GOOD
    assert quality.reason == (
        "The check tried other shifts and turns, and none matches clearly better: the best match is 0.6 mm from this "
        "alignment."
    )


@pytest.mark.parametrize(
    ("figures", "level", "reason"),
    [
        ({"jacobian_min": 0.0}, Grade.BAD, "folds"),
        ({"better_mm": 7.0, "better_certainty": 6.0}, Grade.BAD, "turned by about 7 mm"),
        ({"better_mm": 7.0, "better_certainty": 2.0}, Grade.DOUBTFUL, "turned by about 7.0 mm"),
        ({"better_mm": 4.4, "better_certainty": 9.0}, Grade.DOUBTFUL, "turned by about 4.4 mm"),
        ({"better_mm": 3.0, "best_share": 0.7}, Grade.DOUBTFUL, "turned by about 3.0 mm"),
        ({"mirror_certainty": 5.0}, Grade.BAD, "mirrored"),
        ({"mirror_certainty": 2.0}, Grade.DOUBTFUL, "mirrored"),
        ({"mirror_certainty": 0.0}, Grade.GOOD, "Left and right look so alike"),
        ({"head_overlap": 0.1}, Grade.DOUBTFUL, "only 10% of the anatomy"),
        ({"peak": 0.01}, Grade.DOUBTFUL, "hardly changes"),
        ({"elsewhere_share": 0.98}, Grade.DOUBTFUL, "another place"),
        ({"scale_max": 1.6}, Grade.DOUBTFUL, "1.00 to 1.60"),
    ],
)
def test_what_is_wrong_decides_the_level_and_is_named(figures: dict[str, float], level: Grade, reason: str) -> None:
    quality = quality_of(RIGHT | figures)
    assert quality.grade is level
    assert reason in quality.reason
    assert quality.reason.endswith(".")


def test_bad_comes_before_doubtful() -> None:
    assert quality_of(RIGHT | {"scale_max": 1.6, "mirror_certainty": 5.0}).level is Grade.BAD


@pytest.mark.parametrize("name", RIGHT)
def test_a_figure_that_is_no_number_never_passes_for_good(name: str) -> None:
    quality = quality_of(RIGHT | {name: float("nan")})
    assert quality.grade is Grade.DOUBTFUL
    assert "not numbers" in quality.reason
