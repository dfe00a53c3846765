"""``csafusion qc``: one page to look through the cases of a batch, the doubtful ones first."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from CSAFusionLib.cli.outputs import check_outputs, print_written
from CSAFusionLib.cli.panels import OUTPUTS
from CSAFusionLib.cli.progress_bar import ProgressBar
from CSAFusionLib.files.atomic_write import atomic_write
from CSAFusionLib.fusion.result import NOTICE

Folder = Annotated[
    Path,
    typer.Argument(metavar="OUT", help="The folder that batch wrote to, or one of saved results.", show_default=False),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="The page (.html). Default: qc.html in OUT.", rich_help_panel=OUTPUTS),
]


Misalignment = Annotated[
    bool,
    typer.Option(
        "--misalignment", help="Also measure how far off each registration is, and where; some seconds a case."
    ),
]


def qc(folder: Folder, output: Output = None, misalignment: Misalignment = False) -> None:
    """Make one page to look through the cases of a batch, the doubtful ones first.

    The page needs no network and nothing beside it. What is decided on it stays in the browser until it is exported.
    """
    from CSAFusionLib.batch.lock import at_work
    from CSAFusionLib.qc.cases import find_cases
    from CSAFusionLib.qc.page import check_page_path, page_writer

    page = folder / "qc.html" if output is None else output
    for who in at_work(folder):
        typer.echo(f"Still at work: {who}; the page has the cases that have ended by now.", err=True)
    cases = find_cases(folder)
    check_page_path(page)
    # Only a page of ours is replaced.
    check_outputs([page], [], overwrite=True)
    with ProgressBar() as progress:
        atomic_write({page: page_writer(cases, folder, progress, misalignment=misalignment)}, progress)
    counts = Counter(case.level for case in cases)
    typer.echo(f"Cases        {len(cases)}: {', '.join(f'{count} {level}' for level, count in counts.items())}")
    print_written([page])
    typer.echo(NOTICE)
