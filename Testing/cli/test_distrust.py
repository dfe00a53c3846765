"""Exit code 3 for a registration that cannot be trusted."""

from __future__ import annotations

import pytest
import typer

from CSAFusionLib.cli.distrust import Distrusted, fail_on_grade, fail_on_quality
from CSAFusionLib.registration.quality.grading import Grade, Quality


@pytest.mark.parametrize(
    ("threshold", "refused"),
    [(None, set()), (Distrusted.BAD, {"bad"}), (Distrusted.DOUBTFUL, {"bad", "doubtful"})],
)
def test_a_command_fails_on_what_is_no_better_than_asked(threshold: Distrusted | None, refused: set[str]) -> None:
    for grade in Grade:
        found = [None, Quality(Grade.GOOD, "It is."), Quality(grade, "So.")]
        if grade.value in refused:
            with pytest.raises(typer.Exit) as ended:
                fail_on_quality(threshold, found)
            assert ended.value.exit_code == 3
        else:
            fail_on_quality(threshold, found)


def test_nothing_assessed_is_not_distrusted() -> None:
    fail_on_grade(Distrusted.DOUBTFUL, [])
