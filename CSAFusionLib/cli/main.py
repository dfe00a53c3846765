"""The command ``csafusion`` and its commands."""

from __future__ import annotations

import typer

from CSAFusionLib.cli.ablate import ablate
from CSAFusionLib.cli.average import average
from CSAFusionLib.cli.demo import demo
from CSAFusionLib.cli.evaluate import evaluate
from CSAFusionLib.cli.fuse import fuse
from CSAFusionLib.cli.register import register
from CSAFusionLib.cli.train import train
from CSAFusionLib.cli.user_errors import explains_errors

app = typer.Typer(
    help="Fuse two medical images into one. Research use only, not for diagnosis.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for _command in (fuse, register, train, average, evaluate, ablate, demo):
    app.command()(explains_errors(_command))
