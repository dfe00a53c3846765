"""CSAFusionLib.cli.option_groups"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from CSAFusionLib.cli.option_groups import with_groups


@dataclass(frozen=True)
class Sizes:
    """Two options, one of which must be given."""

    width: Annotated[int, typer.Option("-w", "--width")]
    height: Annotated[float, typer.Option(help="In mm.")] = 2.5


def run(*words: str) -> str:
    """What a command with a group says to these words."""

    def draw(name: str, sizes: Sizes, *, times: int = 1) -> None:
        """Draw something."""
        typer.echo(f"{name} {sizes} {times}")

    app = typer.Typer(rich_markup_mode=None)
    app.command()(with_groups(draw))
    return CliRunner().invoke(app, words).output


def test_the_command_gets_the_group_that_its_options_make() -> None:
    assert run("box", "-w", "3", "--times", "2") == "box Sizes(width=3, height=2.5) 2\n"
    assert run("box", "--height", "1", "--width", "4") == "box Sizes(width=4, height=1.0) 1\n"


@pytest.mark.parametrize("words", [("box",), ("box", "-w", "wide")])
def test_what_a_field_needs_is_needed_of_its_option(words: tuple[str, ...]) -> None:
    assert "--width" in run(*words) and "Sizes" not in run(*words)


def test_the_help_has_the_options_of_the_group() -> None:
    assert "Draw something." in run("--help") and "In mm." in run("--help")
