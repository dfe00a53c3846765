"""``csafusion register``: the registration alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from CSAFusionLib.cli import options
from CSAFusionLib.cli.alignment_picture import alignment_picture
from CSAFusionLib.cli.outputs import check_extension, check_outputs
from CSAFusionLib.cli.panels import OUTPUTS, REGISTRATION, offering
from CSAFusionLib.cli.progress_bar import ProgressBar
from CSAFusionLib.cli.reading import read_inputs
from CSAFusionLib.cli.summary import print_registration, print_warnings, print_written
from CSAFusionLib.files.whole import Writer, write_whole
from CSAFusionLib.fusion.alignment import darkest
from CSAFusionLib.fusion.provenance import NOTICE
from CSAFusionLib.fusion.provenance import describe_registration as as_values
from CSAFusionLib.fusion.settings import FusionSettings, parse_choice
from CSAFusionLib.geometry.resampling import resample_to_grid
from CSAFusionLib.intensity.numeric_range import own_values, within_float32
from CSAFusionLib.registration.engines.brainsfit import use_executable
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.registration.register import register as find_transform
from CSAFusionLib.registration.transforms import check_transform_path, transform_writer
from CSAFusionLib.volumes.checking import check_volume
from CSAFusionLib.volumes.input_path import check_input_path
from CSAFusionLib.volumes.nifti_orientation import Orientation
from CSAFusionLib.volumes.pictures import picture_writer
from CSAFusionLib.volumes.volume import notes_of
from CSAFusionLib.volumes.writing import VOLUME_EXTENSIONS, volume_writer


def register(
    fixed: options.Fixed,
    moving: options.Moving,
    transform: Annotated[
        Path,
        typer.Option(
            help="The transform, from FIXED points to MOVING points (.tfm; .h5 if deformable).",
            rich_help_panel=OUTPUTS,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also save MOVING on FIXED's grid.", rich_help_panel=OUTPUTS),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar=options.METHODS,
            help="What does the registration.",
            rich_help_panel=REGISTRATION,
            autocompletion=offering(options.METHODS.split("|")),
        ),
    ] = "auto",
    png: Annotated[
        Path | None,
        typer.Option(
            help="Also save a picture: fixed, moved, checkerboard, edges, in three planes.", rich_help_panel=OUTPUTS
        ),
    ] = None,
    model: options.Model = "rigid",
    volume: options.VolumeNumber = None,
    orientation_from: options.OrientationFrom = "header",
    seed: options.Seed = 0,
    deterministic: options.Deterministic = True,
    brainsfit: options.Brainsfit = None,
) -> None:
    """Align MOVING to FIXED and save the transform."""
    settings = FusionSettings(
        registration=parse_choice(Method, method, "method"),
        transform_model=parse_choice(TransformModel, model, "model"),
        seed=seed,
        deterministic=deterministic,
    )
    orientation = parse_choice(Orientation, orientation_from, "orientation")
    for path in (fixed, moving):
        check_input_path(path)
    use_executable(brainsfit)
    check_transform_path(transform, deformable=not settings.transform_model.is_linear)
    check_extension(output, VOLUME_EXTENSIONS)
    check_extension(png, (".png",))
    check_outputs((transform, output, png), (fixed, moving))
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        volumes = read_inputs(fixed, moving, volume, orientation=orientation)
        for one in volumes:
            check_volume(one)
        volumes = within_float32(volumes[0]), within_float32(volumes[1])
        result = find_transform(
            *volumes,
            settings.registration,
            settings.transform_model,
            seed=settings.seed,
            threads=settings.threads,
            progress=progress,
        )
        writers: dict[Path, Writer] = {transform: transform_writer(result.transform)}
        if output is not None:
            reference, image = volumes[0].image, volumes[1].image
            resampled = resample_to_grid(image, reference, result.transform, darkest(image))
            writers[output] = volume_writer(own_values(resampled, volumes[1]), partial(progress, "Writing", 0, 0))
        if png is not None:
            writers[png] = picture_writer(alignment_picture(*volumes, result.transform))
        write_whole(writers, progress)
    print_registration(as_values(result))
    print_warnings([*notes_of(*volumes), *result.warnings])
    print_written(writers)
    typer.echo(NOTICE)
