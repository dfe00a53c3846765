"""``--fail-on``: an exit code of its own for a registration that cannot be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Annotated

import typer

from CSAFusionLib.cli.panels import REGISTRATION

DISTRUSTED = 3
"""Exit code of a command that has done its work, when the verdict on it is one that ``--fail-on`` names."""


class Distrusted(Enum):
    """From which verdict on a command is to fail."""

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


def fail_on_verdict(threshold: Distrusted | None, levels: Iterable[str | None]) -> None:
    """End the command with exit code 3 when one of the verdicts is no better than the threshold; None asks nothing.

    levels: ``good``, ``doubtful`` or ``bad``, or None where nothing was checked.
    """
    if threshold is None:
        return
    refused = {"bad"} if threshold is Distrusted.BAD else {"bad", "doubtful"}
    if refused & {level for level in levels if level is not None}:
        raise typer.Exit(DISTRUSTED)
