"""``--fail-on``: an exit code of its own for a registration that cannot be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Annotated

import typer

from CSAFusionLib.cli.panels import REGISTRATION
from CSAFusionLib.registration.quality.grading import Quality

DISTRUSTED = 3
"""Exit code of a command that has done its work, when the registration has a grade that ``--fail-on`` names."""


class Distrusted(Enum):
    """The best grade at which a command fails."""

    DOUBTFUL = "doubtful"
    BAD = "bad"


FailOn = Annotated[
    Distrusted | None,
    typer.Option(
        case_sensitive=False,
        help=f"End with exit code {DISTRUSTED} when the registration is bad, or is doubtful or bad.",
        rich_help_panel=REGISTRATION,
        show_default=False,
    ),
]


def fail_on_quality(threshold: Distrusted | None, found: Iterable[Quality | None]) -> None:
    """End the command with exit code 3 when a quality is no better than the threshold; None asks nothing.

    found: of each registration, or None where nothing was assessed.
    """
    fail_on_grade(threshold, [quality.grade.value for quality in found if quality is not None])


def fail_on_grade(threshold: Distrusted | None, grades: Iterable[str]) -> None:
    """End the command with exit code 3 when one of the grades (good, doubtful, bad) is no better than the threshold."""
    refused = {None: set[str](), Distrusted.BAD: {"bad"}, Distrusted.DOUBTFUL: {"bad", "doubtful"}}[threshold]
    if refused & set(grades):
        raise typer.Exit(DISTRUSTED)
