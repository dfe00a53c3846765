"""``csafusion fuse``: fuse two or more volumes, or pairs of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from CSAFusionLib.cli import options
from CSAFusionLib.cli.common_options import FailOn, Overwrite, fail_on_quality
from CSAFusionLib.cli.options import InitialTransform, MaskOptions, TransformChoice, TransformOptions
from CSAFusionLib.cli.panels import FUSION, INPUTS, OUTPUTS, REGISTRATION
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.output_grid import GridOf, OutputGrid
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.registration.registration import Method
from CSAFusionLib.volumes.dicom.headers import holds_dicom
from CSAFusionLib.volumes.input_path import MEAN, check_input_path, names_a_series
from CSAFusionLib.volumes.nifti import Orientation

if TYPE_CHECKING:
    from CSAFusionLib.registration.registration import Registration


@dataclass(frozen=True)
class FuseOutputs:
    """Where the results go."""

    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="The fused volume; a folder for folders of pictures.",
            rich_help_panel=OUTPUTS,
        ),
    ]
    dicom: Annotated[
        bool,
        typer.Option(
            "--dicom",
            help="Write the fused volume to a new folder, as a DICOM series of FIXED's patient and study.",
            rich_help_panel=OUTPUTS,
        ),
    ] = False
    transform: Annotated[
        Path | None,
        typer.Option(help="Also save the transform, fixed to moving (.tfm, .h5).", rich_help_panel=OUTPUTS),
    ] = None
    png: Annotated[
        Path | None,
        typer.Option(help="Also save a picture: fixed, moving, overlay, fused.", rich_help_panel=OUTPUTS),
    ] = None
    misalignment: options.MisalignmentMap = None
    provenance: Annotated[
        Path | None,
        typer.Option(help="Also save how the result was made (.json).", rich_help_panel=OUTPUTS),
    ] = None
    registered: Annotated[
        Path | None,
        typer.Option(help="Also save MOVING on FIXED's grid, with its own values.", rich_help_panel=OUTPUTS),
    ] = None
    contribution: Annotated[
        Path | None,
        typer.Option(help="Also save the share of each voxel that comes from FIXED.", rich_help_panel=OUTPUTS),
    ] = None
    metrics: Annotated[
        Path | None,
        typer.Option(help="Also save how much each slice keeps of both volumes (.tsv).", rich_help_panel=OUTPUTS),
    ] = None
    overwrite: Overwrite = False


OptionalMoving = Annotated[
    Path | None, typer.Argument(metavar="MOVING", help="The volume or picture to fuse with it.", show_default=False)
]
Movings = Annotated[
    list[str] | None,
    typer.Option(
        "--moving",
        metavar="VOLUME[:NAME,...]",
        help="Instead of MOVING, once for each of several volumes: grey ones are fused first, in this order, then "
        "those in colour. Names after a colon give its modality, colour table, CT window or registration mask, as in "
        "PET.nii:pet,hot-iron,mask=BRAIN.nii. -o is a folder.",
        rich_help_panel=INPUTS,
    ),
]


@dataclass(frozen=True)
class WhereOptions:
    """Where the two are fused, and on which grid."""

    region: Annotated[
        Path | None,
        typer.Option(
            metavar="MASK",
            help="Fuse only where this volume on FIXED's grid is not 0; the rest is FIXED.",
            rich_help_panel=FUSION,
        ),
    ] = None
    grid: Annotated[
        GridOf,
        typer.Option(
            case_sensitive=False,
            help="The volume whose grid the result has; the registration places that of (the first) MOVING on FIXED.",
            rich_help_panel=OUTPUTS,
        ),
    ] = GridOf.FIXED
    spacing: Annotated[
        float | None,
        typer.Option(
            metavar="MM", help="Voxel size of the result. Default: that of the grid.", rich_help_panel=OUTPUTS
        ),
    ] = None

    @property
    def output_grid(self) -> OutputGrid:
        """The grid of the result; raises InputError for an invalid spacing."""
        return OutputGrid(of=self.grid, spacing=self.spacing)


@dataclass(frozen=True)
class FuseRegistration:
    """The registration method, or the transform used instead, and the grade at which the command fails."""

    registration: Annotated[
        Method | None,
        typer.Option(
            case_sensitive=False,
            help="Default: auto for volumes; pictures are fused as they are.",
            rich_help_panel=REGISTRATION,
        ),
    ] = None
    fail_on: FailOn = None
    use_transform: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="T",
            help="Do not register: use this transform, from FIXED to MOVING points. Several are applied in the order "
            "of antsApplyTransforms.",
            rich_help_panel=REGISTRATION,
        ),
    ] = None
    initial_transform: InitialTransform = None
    register_by: Annotated[
        str,
        typer.Option(
            metavar="mean|N",
            help="For a series (--volume all): what to register, the mean of its volumes or the number of one of them.",
            rich_help_panel=REGISTRATION,
        ),
    ] = MEAN

    @property
    def method(self) -> Method:
        """The method for two volumes."""
        return options.DEFAULTS.registration if self.registration is None else self.registration

    def known(self, about: TransformOptions) -> TransformChoice | None:
        """The given transform; raises InputError for options that conflict."""
        if self.use_transform and self.initial_transform:
            raise InputError(
                "--use-transform replaces a registration, --initial-transform starts one; give one of them."
            )
        if self.use_transform and self.registration is not None:
            raise InputError("--use-transform takes the place of a registration; leave out --registration.")
        return about.choice(self.use_transform or self.initial_transform, is_start=bool(self.initial_transform))


def fuse(
    fixed: options.Fixed,
    moving: OptionalMoving = None,
    *,
    outputs: FuseOutputs,
    movings: Movings = None,
    how: FuseRegistration,
    masked: MaskOptions,
    registering: options.RegistrationOptions,
    about_transform: TransformOptions,
    reading: options.ReadingOptions,
    intensities: options.IntensityOptions,
    where: WhereOptions,
    fusing: options.FusionOptions,
    network: options.NetworkOptions,
) -> None:
    """Fuse MOVING into FIXED.

    Volumes: NIfTI, NRRD, MHA, a folder of DICOM slices or a multi-frame DICOM file; the result has FIXED's grid.
    Pictures: a pair of PNG files, or a pair of folders of PNG files with equal names, already aligned.
    """
    settings = options.settings_from(registering, intensities, fusing, network, registration=how.method)
    known, grid = how.known(about_transform), where.output_grid
    options.use_brainsfit(registering.brainsfit)
    # The jobs load PyTorch; the help and a wrong option should not wait for it.
    if movings:
        from CSAFusionLib.cli.several_job import SeveralOutputs, fuse_several_files

        _refuse_options_of_two(moving, outputs, intensities, fusing, known, masked)
        wanted = SeveralOutputs(outputs.output, outputs.dicom, outputs.png, outputs.overwrite)
        several = fuse_several_files(fixed, movings, settings, wanted, reading, where.region, grid, masked.mask)
        fail_on_quality(how.fail_on, [found.quality for found in several.registrations])
        return
    if moving is None:
        raise InputError("No moving volume is given; name it after the fixed one, or name several, each with --moving.")
    for path in (fixed, moving):
        check_input_path(path)
    if _are_pictures(fixed, moving):
        from CSAFusionLib.cli.picture_job import PictureOutputs, fuse_picture_files

        _refuse_volume_options(settings, how.registration, outputs, reading, known, where, masked)
        pictures = PictureOutputs(outputs.output, outputs.png, outputs.provenance, outputs.overwrite)
        fuse_picture_files(fixed, moving, settings, pictures)
    else:
        found = _fuse_volumes((fixed, moving), settings, outputs, how, reading, known, where, masked)
        fail_on_quality(how.fail_on, [found.quality])


def _fuse_volumes(
    inputs: tuple[Path, Path],
    settings: FusionSettings,
    outputs: FuseOutputs,
    how: FuseRegistration,
    reading: options.ReadingOptions,
    known: TransformChoice | None,
    where: WhereOptions,
    masked: MaskOptions,
) -> Registration:
    """Fuse two volumes, or a series and a volume; returns the registration."""
    from CSAFusionLib.cli.volume_job import VolumeOutputs

    others = {name: value for name, value in vars(outputs).items() if name != "output"}
    wanted, region, grid = VolumeOutputs(outputs.output, **others), where.region, where.output_grid
    if names_a_series(reading.volume):
        from CSAFusionLib.cli.series_job import fuse_series_files

        asked = wanted, how.register_by
        return fuse_series_files(*inputs, settings, asked, reading, known, region, grid, masked)
    if how.register_by != MEAN:
        raise InputError("--register-by is for a series; add --volume all, or leave it out.")
    from CSAFusionLib.cli.volume_job import fuse_volume_files

    return fuse_volume_files(*inputs, settings, wanted, reading, known, region, grid, masked).registration


def _refuse_options_of_two(
    moving: Path | None,
    outputs: FuseOutputs,
    intensities: options.IntensityOptions,
    fusing: options.FusionOptions,
    known: TransformChoice | None,
    masked: MaskOptions,
) -> None:
    """Refuse options for a single moving volume, which several moving volumes would silently ignore."""
    if moving is not None:
        raise InputError(
            f"'{moving}' is a moving volume without --moving beside others with it; name it with --moving too."
        )
    for name, value in vars(outputs).items():
        if value and name not in ("output", "overwrite", "dicom", "png"):
            raise InputError(f"--{name} is for one moving volume; leave it out, the folder holds all of them.")
    given = {
        "--moving-modality": intensities.moving_modality,
        "--moving-window": intensities.moving_window,
        "--colour-table": fusing.colour_table,
    }
    for option, value in given.items():
        if value is not None:
            raise InputError(
                f"{option} is for one moving volume; write the choice after a colon behind that volume's name."
            )
    if masked.moving_mask is not None:
        raise InputError(
            "--moving-mask is for one moving volume; write the mask behind that volume's name, as in "
            "CT.nii:mask=MASK.nii."
        )
    if known is not None:
        raise InputError("A given transform is for one moving volume; fuse one after the other, or leave it out.")


def _are_pictures(fixed: Path, moving: Path) -> bool:
    kinds = [_is_picture(path) for path in (fixed, moving)]
    if kinds[0] != kinds[1]:
        picture, volume = (fixed, moving) if kinds[0] else (moving, fixed)
        raise InputError(
            f"'{picture}' holds 2-D pictures and '{volume}' does not; give two volumes, or pictures for both."
        )
    return kinds[0]


def _is_picture(path: Path) -> bool:
    if path.is_dir():
        # Viewers and exports leave previews and screenshots beside the slices of a scan.
        return any(file.suffix.lower() == ".png" for file in path.iterdir()) and not holds_dicom(path)
    return path.suffix.lower() == ".png"


def _refuse_volume_options(
    settings: FusionSettings,
    registration: Method | None,
    outputs: FuseOutputs,
    reading: options.ReadingOptions,
    known: TransformChoice | None,
    where: WhereOptions,
    masked: MaskOptions,
) -> None:
    """Refuse options that need a geometry or units: pictures have neither and would silently ignore them."""
    given = {
        "--registration": registration not in (None, Method.NONE),
        "--use-transform": known is not None and not known.is_start,
        "--initial-transform": known is not None and known.is_start,
        "--mask": masked.mask is not None,
        "--moving-mask": masked.moving_mask is not None,
        "--dicom": outputs.dicom,
        "--region": where.region is not None,
        "--grid": where.grid is not GridOf.FIXED,
        "--spacing": where.spacing is not None,
        "--registered": outputs.registered is not None,
        "--contribution": outputs.contribution is not None,
        "--metrics": outputs.metrics is not None,
        "--transform": outputs.transform is not None,
        "--misalignment": outputs.misalignment is not None,
        "--volume": reading.volume is not None,
        "--fixed-window": settings.fixed_window is not None,
        "--moving-window": settings.moving_window is not None,
        "--colour-table": settings.colour_table is not None,
        "--bias-correction": settings.bias_correction,
        "--style": settings.style is not Style.FUSED,
        "--orientation-from": reading.orientation_from is not Orientation.HEADER,
        "--plane": settings.plane is not Plane.AUTO,
    }
    for option, is_given in given.items():
        if is_given:
            raise InputError(f"{option} does not apply to pictures, which are fused as they are; leave it out.")
