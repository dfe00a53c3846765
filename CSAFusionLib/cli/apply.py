"""``csafusion apply``: resample other volumes and label maps with a known transform."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from CSAFusionLib.cli import options
from CSAFusionLib.cli.common_options import Overwrite
from CSAFusionLib.cli.options import TransformOptions
from CSAFusionLib.cli.outputs import check_extension, check_outputs, print_warnings, print_written
from CSAFusionLib.cli.panels import INPUTS, OUTPUTS, REGISTRATION
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.files.atomic_write import atomic_write
from CSAFusionLib.fusion.result import NOTICE
from CSAFusionLib.registration.given_transform import apply_to
from CSAFusionLib.volumes.checking import check_grid, notes_of
from CSAFusionLib.volumes.input_path import check_input_path
from CSAFusionLib.volumes.writing import VOLUME_EXTENSIONS, volume_writer


def apply(
    transform: Annotated[
        Path,
        typer.Argument(metavar="T", help="The transform, from FIXED points to MOVING points.", show_default=False),
    ],
    moving: Annotated[
        Path, typer.Argument(metavar="MOVING", help="The volume or label map to resample.", show_default=False)
    ],
    reference: Annotated[
        Path,
        typer.Option(
            metavar="FIXED", help="The volume whose grid the result has.", show_default=False, rich_help_panel=INPUTS
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="MOVING on FIXED's grid.", rich_help_panel=OUTPUTS)],
    *,
    overwrite: Overwrite = False,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="MOVING is a label map: keep its labels as they are.", rich_help_panel=INPUTS),
    ] = False,
    then: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="T",
            help="Another transform after the first; of ANTs' two files give the warp first, then the affine.",
            rich_help_panel=REGISTRATION,
        ),
    ] = None,
    about_transform: TransformOptions,
    reading: options.ReadingOptions,
) -> None:
    """Resample MOVING onto FIXED's grid with a transform T.

    T: ITK, ANTs, Slicer (.tfm, .txt, .mat, .h5), a FreeSurfer .lta, an FSL matrix, or a displacement field.
    """
    for path in (reference, moving):
        check_input_path(path)
    choice = about_transform.choice([transform, *(then or [])])
    assert choice is not None
    check_extension(output, VOLUME_EXTENSIONS)
    check_outputs((output,), (reference, moving, *choice.inputs), overwrite=overwrite)
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        volumes = reading.read(reference, moving)
        for one in volumes:
            check_grid(one)
        given = choice.read(*volumes, (reference, moving))
        progress("Resampling", 0, 0)
        image = apply_to(volumes[1], volumes[0], given.transform, labels=labels)
        atomic_write({output: volume_writer(image, partial(progress, "Writing", 0, 0))}, progress)
    typer.echo("Transform    " + ", ".join(source["format"] for source in given.sources))
    print_warnings([*notes_of(*volumes), *given.notes])
    print_written([output])
    typer.echo(NOTICE)
