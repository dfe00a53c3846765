"""``csafusion register``: register two volumes without fusing them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from CSAFusionLib.cli import options
from CSAFusionLib.cli.common_options import FailOn, Overwrite, fail_on_quality
from CSAFusionLib.cli.misalignment import map_files, measured
from CSAFusionLib.cli.montage import alignment_picture
from CSAFusionLib.cli.options import InitialTransform, MaskOptions, TransformOptions
from CSAFusionLib.cli.outputs import check_extension, check_outputs, print_registration, print_warnings, print_written
from CSAFusionLib.cli.panels import OUTPUTS, REGISTRATION
from CSAFusionLib.cli.terminal import ProgressBar
from CSAFusionLib.files.atomic_write import Writer, atomic_write
from CSAFusionLib.fusion.pipeline import registration_by
from CSAFusionLib.fusion.result import NOTICE
from CSAFusionLib.geometry.field_of_view import resample_to_grid
from CSAFusionLib.geometry.grid import lowest_value
from CSAFusionLib.intensity.voxel_values import own_values, within_float32
from CSAFusionLib.progress import Progress
from CSAFusionLib.registration.registration import Method, Registration, TransformModel
from CSAFusionLib.registration.transforms import check_transform_path, transform_writer
from CSAFusionLib.volumes.checking import check_volume, notes_of
from CSAFusionLib.volumes.input_path import check_input_path
from CSAFusionLib.volumes.pictures import picture_writer
from CSAFusionLib.volumes.volume import Volume
from CSAFusionLib.volumes.writing import VOLUME_EXTENSIONS, volume_writer


@dataclass(frozen=True)
class RegisterOutputs:
    """Where the results go; None is not written."""

    transform: Annotated[
        Path,
        typer.Option(
            help="The transform, from FIXED points to MOVING points (.tfm; .h5 if deformable).",
            rich_help_panel=OUTPUTS,
        ),
    ]
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also save MOVING on FIXED's grid.", rich_help_panel=OUTPUTS),
    ] = None
    png: Annotated[
        Path | None,
        typer.Option(
            help="Also save a picture: fixed, moved, checkerboard, edges, in three planes.", rich_help_panel=OUTPUTS
        ),
    ] = None
    misalignment: options.MisalignmentMap = None
    overwrite: Overwrite = False

    def check(self, inputs: tuple[Path, ...], model: TransformModel) -> None:
        """Raise InputError, before any work, for an output that cannot be written."""
        check_transform_path(self.transform, deformable=not model.is_linear)
        check_extension(self.output, VOLUME_EXTENSIONS)
        check_extension(self.png, (".png",))
        outputs = (self.transform, self.output, self.png, *map_files(self.misalignment))
        check_outputs(outputs, inputs, overwrite=self.overwrite)

    def writers(self, volumes: tuple[Volume, Volume], found: Registration, progress: Progress) -> dict[Path, Writer]:
        """The functions that write the requested outputs."""
        writers: dict[Path, Writer] = {self.transform: transform_writer(found.transform)}
        if self.output is not None:
            reference, image = volumes[0].image, volumes[1].image
            resampled = resample_to_grid(image, reference, found.transform, lowest_value(image))
            own = own_values(resampled, volumes[1])
            writers[self.output] = volume_writer(own, partial(progress, "Writing", 0, 0))
        if self.png is not None:
            writers[self.png] = picture_writer(alignment_picture(*volumes, found.transform))
        return writers


def register(
    fixed: options.Fixed,
    moving: options.Moving,
    outputs: RegisterOutputs,
    *,
    method: Annotated[
        Method,
        typer.Option(case_sensitive=False, help="The registration method.", rich_help_panel=REGISTRATION),
    ] = options.DEFAULTS.registration,
    fail_on: FailOn = None,
    registering: options.RegistrationOptions,
    initial_transform: InitialTransform = None,
    masked: MaskOptions,
    about_transform: TransformOptions,
    reading: options.ReadingOptions,
) -> None:
    """Align MOVING to FIXED and save the transform."""
    settings = options.settings_from(registering, registration=method)
    for path in (fixed, moving):
        check_input_path(path)
    options.use_brainsfit(registering.brainsfit)
    known = about_transform.choice(initial_transform, is_start=True)
    masked.check(method, known)
    outputs.check((fixed, moving, *(known.inputs if known else ()), *masked.inputs), settings.transform_model)
    with ProgressBar() as progress:
        progress("Reading", 0, 0)
        volumes = reading.read(fixed, moving)
        for one in volumes:
            check_volume(one)
        start = known.read(*volumes, (fixed, moving)) if known else None
        if start is not None and not start.transform.IsLinear():
            check_transform_path(outputs.transform, deformable=True)
        masks = masked.read(volumes, reading.orientation_from)
        volumes = within_float32(volumes[0]), within_float32(volumes[1])
        result = registration_by(*volumes, settings, start, is_start=True, masks=masks, progress=progress)
        described, writers = result.describe(), outputs.writers(volumes, result, progress)
        writers |= measured(outputs.misalignment, volumes, result.transform, described, progress)
        atomic_write(writers, progress)
    print_registration(described)
    print_warnings([*notes_of(*volumes), *result.warnings])
    print_written(writers)
    typer.echo(NOTICE)
    fail_on_quality(fail_on, [result.quality])
