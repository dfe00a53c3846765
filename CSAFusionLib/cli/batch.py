"""``csafusion batch``: fuse many pairs in parallel, in one command that can be run again to continue."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from CSAFusionLib.cli import options
from CSAFusionLib.cli.common_options import FailOn, fail_on_grade
from CSAFusionLib.cli.options import parse_named
from CSAFusionLib.cli.outputs import check_output_folder, filled_folder
from CSAFusionLib.cli.panels import CASES, OUTPUTS, REGISTRATION, WORKERS
from CSAFusionLib.cli.terminal import BAD_INPUT
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import is_same_file
from CSAFusionLib.fusion.settings import FusionSettings
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.text import printable
from CSAFusionLib.volumes.input_path import check_input_path

if TYPE_CHECKING:
    from distributed import Client

    from CSAFusionLib.batch.case import Case, Defaults
    from CSAFusionLib.batch.layout import Record
    from CSAFusionLib.batch.resuming import BatchPart
    from CSAFusionLib.batch.run import Batch, Tally

Pairs = Annotated[
    Path | None,
    typer.Argument(
        metavar="PAIRS|FIXED_FOLDER",
        help="A table (CSV, TSV) with the columns fixed and moving, and optionally name and any setting; or a folder "
        "of fixed volumes.",
        show_default=False,
    ),
]
Partner = Annotated[
    Path | None,
    typer.Argument(
        metavar="MOVING_FOLDER",
        help="With FIXED_FOLDER: the moving volumes, each named like its fixed volume.",
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    typer.Option("-o", "--output", help="A folder for each case, and summary.tsv.", rich_help_panel=OUTPUTS),
]
Bids = Annotated[
    Path | None, typer.Option(metavar="ROOT", help="A BIDS data set instead of PAIRS.", rich_help_panel=CASES)
]
BidsFixed = Annotated[
    str,
    typer.Option(
        "--fixed", metavar="SUFFIX", help="Its fixed images, such as T1w or T1w,run-1.", rich_help_panel=CASES
    ),
]
BidsMoving = Annotated[
    str,
    typer.Option("--moving", metavar="SUFFIX", help="Its moving images, such as pet,trc-FDG.", rich_help_panel=CASES),
]
Part = Annotated[
    str | None,
    typer.Option(metavar="K/N", help="Only every Nth case, from the Kth, for array jobs.", rich_help_panel=CASES),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try failed cases again.", rich_help_panel=CASES)]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Run every case again, including those done.", rich_help_panel=CASES)
]
Misalignment = Annotated[
    bool,
    typer.Option(
        "--misalignment",
        help="Also measure how far off each registration is, and where, in mm; takes some seconds per case.",
        rich_help_panel=OUTPUTS,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1, help="Number of workers. Default: by cores and memory.", rich_help_panel=WORKERS, show_default=False
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Use a running Dask cluster, such as tcp://host:8786.", rich_help_panel=WORKERS
    ),
]
Slurm = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=VALUE,...",
        help="Run the workers as SLURM jobs with these options of sbatch, such as "
        "partition=short,time=02:00:00,mem=8G.",
        rich_help_panel=WORKERS,
    ),
]
Registration = Annotated[
    Method,
    typer.Option(case_sensitive=False, help="The registration method.", rich_help_panel=REGISTRATION),
]


def batch(
    pairs: Pairs = None,
    partner: Partner = None,
    *,
    output: Output,
    bids: Bids = None,
    fixed: BidsFixed = "T1w",
    moving: BidsMoving = "pet",
    part: Part = None,
    retry_failed: RetryFailed = False,
    overwrite: Overwrite = False,
    misalignment: Misalignment = False,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    fail_on: FailOn = None,
    registration: Registration = options.DEFAULTS.registration,
    registering: options.RegistrationOptions,
    reading: options.ReadingOptions,
    intensities: options.IntensityOptions,
    fusing: options.FusionOptions,
    network: options.NetworkOptions,
) -> None:
    """Fuse many pairs, each into its own folder.

    Cases already done with the same inputs and settings are skipped: run the command again to continue. A case that
    fails is reported and does not stop the others.
    """
    settings = options.settings_from(registering, intensities, fusing, network, registration=registration)
    options.use_brainsfit(registering.brainsfit)
    defaults = replace(_defaults(settings, reading, registering.brainsfit), misalignment=misalignment)
    check_output_folder(output)
    source = _Source(pairs, partner, bids, fixed, moving)
    which = _parse_part(part)
    cases = source.cases(defaults)
    # Every Nth, so that similar neighbouring rows are spread over the parts.
    cases = cases if which is None else cases[which[0] - 1 :: which[1]]
    engine = _engine(jobs, scheduler, slurm, output, len(cases))
    job = _job(cases, output, source, which)
    tally = _run(replace(job, retry_failed=retry_failed, again=overwrite), engine)
    if tally.all_failed:
        raise typer.Exit(BAD_INPUT)
    fail_on_grade(fail_on, tally.verdicts)


@dataclass(frozen=True)
class _Source:
    """Where the pairs come from: a table, two folders, or a BIDS data set."""

    pairs: Path | None
    partner: Path | None
    bids: Path | None
    fixed: str
    moving: str

    def cases(self, defaults: Defaults) -> list[Case]:
        """The cases; reports what is left out. Raises InputError where there is no source, or more than one."""
        if (self.pairs is None) == (self.bids is None):
            raise InputError("Give the pairs as a table, as two folders, or as a BIDS data set with --bids.")
        if self.bids is not None:
            from CSAFusionLib.batch.case_lists import Selection, cases_of_bids

            return cases_of_bids(self.bids, Selection.parse(self.fixed), Selection.parse(self.moving), defaults)
        assert self.pairs is not None
        if self.partner is None and not check_input_path(self.pairs):
            from CSAFusionLib.batch.case_lists import cases_of_table

            return cases_of_table(self.pairs, defaults)
        if self.partner is None:
            raise InputError(f"'{self.pairs}' is a folder; give a second one with the moving volumes, or a table.")
        from CSAFusionLib.batch.case_lists import cases_of_folders

        matched = cases_of_folders(self.pairs, self.partner, defaults)
        for note in matched.notes():
            typer.echo(printable(note), err=True)
        return matched.cases

    def check(self, cases: list[Case], output: Path, summary: str) -> None:
        """Refuse an output folder that is one of the inputs or in one, or whose summary would replace the table."""
        for folder in filter(None, (self.pairs, self.partner, self.bids)):
            if is_same_file(folder, output):
                raise InputError(f"'{output}' holds the inputs; give another folder with -o.")
        if self.pairs is not None and is_same_file(self.pairs, output / summary):
            raise InputError(f"'{self.pairs}' has the name of the summary; rename it, or give another folder with -o.")
        target = output.resolve()
        for path in (path for case in cases for path in case.inputs.values()):
            if path.is_dir() and target.is_relative_to(path.resolve()):
                raise InputError(f"'{output}' is in the input '{path}'; give another folder with -o.")

    def top(self) -> dict[str, Any]:
        """Files at the top of the results."""
        if self.bids is None:
            return {}
        from CSAFusionLib.batch.case_lists import dataset_files

        return dataset_files(self.bids)


def _defaults(settings: FusionSettings, reading: options.ReadingOptions, brainsfit: Path | None) -> Defaults:
    from CSAFusionLib.batch.case import Defaults

    return Defaults(settings, reading.volume, reading.orientation_from, brainsfit and brainsfit.absolute())


def _parse_part(part: str | None) -> BatchPart | None:
    """The two numbers of ``K/N``; raises InputError for any other text."""
    if part is None:
        return None
    which, _, count = part.partition("/")
    if not (which.isdecimal() and count.isdecimal() and 1 <= int(which) <= int(count)):
        raise InputError(f"'{part}' is not a part of a batch; give it as 3/20, from 1/20 to 20/20.")
    return int(which), int(count)


def _engine(
    jobs: int | None, scheduler: str | None, slurm: str | None, output: Path, cases: int
) -> Callable[[], AbstractContextManager[Client]]:
    from CSAFusionLib.batch import engine

    if scheduler is not None and (slurm is not None or jobs is not None):
        raise InputError("--scheduler uses the workers of a running cluster; leave --jobs and --slurm out.")
    if scheduler is not None:
        return partial(engine.running_cluster, scheduler)
    wanted = max(1, min(jobs or engine.default_jobs(), cases))
    if slurm is not None:
        given = dict(parse_named(one, "option of sbatch") for one in slurm.split(",") if one)
        return partial(engine.slurm_cluster, wanted, given, output.absolute())
    return partial(engine.local_cluster, wanted)


def _job(cases: list[Case], output: Path, source: _Source, part: BatchPart | None) -> Batch:
    from CSAFusionLib.batch.layout import SUMMARY
    from CSAFusionLib.batch.run import Batch

    # Parts may run at the same time: each has its own summary.
    summary = SUMMARY if part is None else f"{Path(SUMMARY).stem}_part-{part[0]}-of-{part[1]}.tsv"
    source.check(cases, output, summary)
    command = shlex.join(["csafusion", *sys.argv[1:]])
    # Workers elsewhere have another current folder.
    return Batch(cases=cases, out=output.absolute(), command=command, summary=summary, top=source.top(), part=part)


def _run(job: Batch, engine: Callable[[], AbstractContextManager[Client]]) -> Tally:
    """Run the cases; report each as it ends, and the totals at the end."""
    with filled_folder(job.out):
        tally = job.run(engine, _tell)
    parts = [f"{tally.done} done", f"{tally.failed} failed"]
    if tally.skipped:
        parts.append(f"{tally.skipped} skipped because they had already ended")
    typer.echo(f"Cases        {', '.join(parts)}")
    grades = ", ".join(f"{tally.verdicts[grade]} {grade}" for grade in ("good", "doubtful", "bad"))
    typer.echo(f"Quality      {grades}")
    if tally.skipped_failed:
        typer.echo(f"Failed       {tally.skipped_failed} of the skipped cases; try them again with --retry-failed")
    typer.echo("Wrote        " + printable(str(job.out / job.summary)))
    return tally


def _tell(record: Record, count: int, total: int) -> None:
    if record.failed:
        typer.echo(printable(f"[{count}/{total}] {record.name}: failed: {record.sentence}"), err=True)
        return
    quality, seconds = record.verdict or {"level": "not assessed"}, record.values["run"]["seconds"]["total"]
    typer.echo(printable(f"[{count}/{total}] {record.name}: {quality['level']}, {seconds:.0f} s"))
