"""``csafusion fuse``: two volumes into one, or pairs of pictures into pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from CSAFusionLib.cli import options
from CSAFusionLib.cli.options import optional_choice, optional_window
from CSAFusionLib.cli.panels import OUTPUTS, REGISTRATION, offering
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.settings import FusionSettings, parse_choice
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.engines.brainsfit import use_executable
from CSAFusionLib.registration.methods import Method, TransformModel
from CSAFusionLib.volumes.dicom.files import holds_dicom
from CSAFusionLib.volumes.input_path import check_input_path
from CSAFusionLib.volumes.nifti_orientation import Orientation


def fuse(
    fixed: options.Fixed,
    moving: options.Moving,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="The fused volume; a folder for folders of pictures.",
            rich_help_panel=OUTPUTS,
        ),
    ],
    registration: Annotated[
        str | None,
        typer.Option(
            metavar=options.METHODS,
            help="Default: auto for volumes; pictures are fused as they are.",
            rich_help_panel=REGISTRATION,
            autocompletion=offering(options.METHODS.split("|")),
        ),
    ] = None,
    model: options.Model = "rigid",
    volume: options.VolumeNumber = None,
    fixed_modality: options.ModalityOption = None,
    moving_modality: options.ModalityOption = None,
    fixed_window: options.WindowOption = None,
    moving_window: options.WindowOption = None,
    orientation_from: options.OrientationFrom = "header",
    colour_table: options.ColourTable = None,
    plane: options.SlicePlane = "auto",
    weights: options.Weights = None,
    balance: options.Balance = 0.0,
    steadiness: options.Steadiness = 2.0,
    device: options.NetworkDevice = "auto",
    batch_size: options.BatchSize = None,
    seed: options.Seed = 0,
    deterministic: options.Deterministic = True,
    brainsfit: options.Brainsfit = None,
    transform: Annotated[
        Path | None,
        typer.Option(help="Also save the transform, fixed to moving (.tfm, .h5).", rich_help_panel=OUTPUTS),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(help="Also save a picture: fixed, moving, overlay, fused.", rich_help_panel=OUTPUTS),
    ] = None,
    provenance: Annotated[
        Path | None,
        typer.Option(help="Also save how the result was made (.json).", rich_help_panel=OUTPUTS),
    ] = None,
) -> None:
    """Fuse MOVING into FIXED.

    Volumes: NIfTI, NRRD, MHA, a folder of DICOM slices or a multi-frame DICOM file; the result has FIXED's grid.
    Pictures: a pair of PNG files, or a pair of folders of PNG files with equal names, already aligned.
    """
    settings = FusionSettings(
        registration=Method.AUTO if registration is None else parse_choice(Method, registration, "registration"),
        transform_model=parse_choice(TransformModel, model, "model"),
        fixed_modality=optional_choice(Modality, fixed_modality, "modality"),
        moving_modality=optional_choice(Modality, moving_modality, "modality"),
        fixed_window=optional_window(fixed_window),
        moving_window=optional_window(moving_window),
        colour_table=colour_table,
        plane=parse_choice(Plane, plane, "plane"),
        weights=weights,
        balance=balance,
        steadiness=steadiness,
        device=device,
        batch_size=batch_size,
        seed=seed,
        deterministic=deterministic,
    )
    orientation = parse_choice(Orientation, orientation_from, "orientation")
    for path in (fixed, moving):
        check_input_path(path)
    use_executable(brainsfit)
    # The jobs load PyTorch; the help and a wrong option should not wait for it.
    if _are_pictures(fixed, moving):
        from CSAFusionLib.cli.picture_job import PictureOutputs, fuse_picture_files

        _refuse_volume_options(settings, registration, transform, volume, orientation)
        fuse_picture_files(fixed, moving, settings, PictureOutputs(output, png, provenance))
    else:
        from CSAFusionLib.cli.volume_job import VolumeOutputs, fuse_volume_files

        outputs = VolumeOutputs(output, transform, png, provenance)
        fuse_volume_files(fixed, moving, settings, outputs, volume=volume, orientation=orientation)


def _are_pictures(fixed: Path, moving: Path) -> bool:
    kinds = [_is_picture(path) for path in (fixed, moving)]
    if kinds[0] != kinds[1]:
        picture, volume = (fixed, moving) if kinds[0] else (moving, fixed)
        raise InputError(
            f"'{picture}' holds 2-D pictures and '{volume}' does not; give two volumes, or two of pictures."
        )
    return kinds[0]


def _is_picture(path: Path) -> bool:
    if path.is_dir():
        # Viewers and exports leave previews and screenshots beside the slices of a scan.
        return any(file.suffix.lower() == ".png" for file in path.iterdir()) and not holds_dicom(path)
    return path.suffix.lower() == ".png"


def _refuse_volume_options(
    settings: FusionSettings,
    registration: str | None,
    transform: Path | None,
    volume: str | None,
    orientation: Orientation,
) -> None:
    """Pictures have no geometry and no units: an option that needs either would be silently ignored."""
    given = {
        "--registration": registration not in (None, "none"),
        "--transform": transform is not None,
        "--volume": volume is not None,
        "--fixed-window": settings.fixed_window is not None,
        "--moving-window": settings.moving_window is not None,
        "--colour-table": settings.colour_table is not None,
        "--orientation-from": orientation is not Orientation.HEADER,
        "--plane": settings.plane is not Plane.AUTO,
    }
    for option, is_given in given.items():
        if is_given:
            raise InputError(f"{option} does not apply to pictures, which are fused as they are; leave it out.")
