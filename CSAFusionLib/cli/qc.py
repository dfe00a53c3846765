"""``csafusion qc``: make one page to review the cases of a batch, the doubtful ones first."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from CSAFusionLib.cli.common_options import Overwrite
from CSAFusionLib.cli.outputs import check_extension, check_outputs, print_written
from CSAFusionLib.cli.panels import OUTPUTS
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import atomic_write
from CSAFusionLib.fusion.result import NOTICE
from CSAFusionLib.text import printable

if TYPE_CHECKING:
    from CSAFusionLib.qc.cases import QcCase

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="OUT", help="The folder that batch wrote to, or a folder of saved results.", show_default=False
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="The page (.html). Default: qc.html in OUT, or view-CASE.html.", rich_help_panel=OUTPUTS
    ),
]


Misalignment = Annotated[
    bool,
    typer.Option(
        "--misalignment", help="Also measure how far off each registration is, and where; takes some seconds per case."
    ),
]

View = Annotated[
    str | None,
    typer.Option(
        "--view",
        metavar="CASE",
        help="Instead of the page, write an interactive 3-D view of this case; its row of the page links to it.",
        show_default=False,
    ),
]


def qc(
    folder: Folder,
    output: Output = None,
    misalignment: Misalignment = False,
    view: View = None,
    overwrite: Overwrite = False,
) -> None:
    """Make one page to review the cases of a batch, the doubtful ones first.

    The page needs no network and no other files. Decisions made on it stay in the browser until they are exported.
    """
    from CSAFusionLib.batch.resuming import at_work
    from CSAFusionLib.qc.cases import find_cases

    for who in at_work(folder):
        typer.echo(f"Still at work: {who}; the page has the cases that have ended so far.", err=True)
    cases = find_cases(folder)
    if view is None:
        _write_page(cases, folder, folder / "qc.html" if output is None else output, misalignment)
    elif misalignment:
        raise InputError("--misalignment is for the page, not for a view; leave one of --misalignment and --view out.")
    else:
        _write_view(cases, folder, view, output, overwrite)
    typer.echo(NOTICE)


def _write_page(cases: list[QcCase], folder: Path, page: Path, misalignment: bool) -> None:
    from CSAFusionLib.qc.page import check_page_path, page_writer

    check_page_path(page)
    # Only a page that this command made is replaced.
    check_outputs([page], [], overwrite=True)
    with ProgressBar() as progress:
        writer = page_writer(cases, folder, progress, misalignment=misalignment, views=page.parent)
        atomic_write({page: writer}, progress)
    counts = Counter(case.level for case in cases)
    typer.echo(f"Cases        {len(cases)}: {', '.join(f'{count} {level}' for level, count in counts.items())}")
    print_written([page])


def _write_view(cases: list[QcCase], folder: Path, name: str, output: Path | None, overwrite: bool) -> None:
    from CSAFusionLib.qc.page import case_to_view, view_name, view_writer

    case = case_to_view(cases, name, folder)
    file = folder / view_name(name) if output is None else output
    check_extension(file, (".html", ".htm"))
    check_outputs([file], [], overwrite=overwrite)
    atomic_write({file: view_writer(case)})
    typer.echo(f"Case         {printable(name)}")
    print_written([file])
    if output is None:
        typer.echo(f"csafusion qc {shlex.quote(str(folder))} makes the page with a link to it.")
