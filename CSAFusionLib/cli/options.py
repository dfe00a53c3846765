"""Options that several commands share, in groups; their defaults are those of the settings.

A command takes a group as one parameter: :mod:`CSAFusionLib.cli.panels` turns each of its fields into an option.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from CSAFusionLib.cli.panels import FUSION, INPUTS, NETWORK, OUTPUTS, REGISTRATION, offering
from CSAFusionLib.errors import InputError
from CSAFusionLib.fusion.colour import COLOUR_TABLES
from CSAFusionLib.fusion.settings import FusionSettings, Style
from CSAFusionLib.geometry.planes import Plane
from CSAFusionLib.intensity.mapping import CT_WINDOWS
from CSAFusionLib.intensity.modality import Modality
from CSAFusionLib.registration.registration import TransformModel
from CSAFusionLib.volumes.input_path import SeveralVolumesError, names_a_series
from CSAFusionLib.volumes.nifti import Orientation

if TYPE_CHECKING:
    from CSAFusionLib.volumes.volume import Volume


def read_inputs(
    fixed: Path, moving: Path, choice: str | None, *, orientation: Orientation = Orientation.HEADER
) -> tuple[Volume, Volume]:
    """Read the fixed and the moving volume; the moving one may be sheared, since it is resampled anyway.

    Args:
        orientation: which orientation of its header places a NIfTI volume.
        choice: None; one number, for the input that holds several volumes; or two separated by a comma, for the fixed
            and the moving input.

    Raises:
        InputError: a volume cannot be read, or the choice does not say which one is meant.
    """
    from CSAFusionLib.volumes.reading import read_volume

    readers = (
        partial(read_volume, fixed, orientation=orientation),
        partial(read_volume, moving, orientation=orientation, keep_shear=True),
    )
    if choice is None:
        return readers[0](), readers[1]()
    numbers = _numbers(choice)
    if len(numbers) == 2:
        return readers[0](volume=numbers[0]), readers[1](volume=numbers[1])
    known = [_only(read) for read in readers]
    several = [volume is None for volume in known]
    if all(several):
        raise InputError(
            f"Both inputs hold several volumes, so --volume {choice} does not say which of them are meant; give two "
            f"numbers, FIXED's and MOVING's, as in --volume {choice},1."
        )
    if not any(several) and numbers[0] != 1:
        raise InputError(f"Neither input holds several volumes, so there is no volume {choice}; leave --volume out.")
    first, second = (
        read(volume=numbers[0]) if volume is None else volume for read, volume in zip(readers, known, strict=True)
    )
    return first, second


def use_brainsfit(path: Path | None) -> None:
    """Use this BRAINSFit executable from now on; None changes nothing."""
    if path is not None:
        from CSAFusionLib.registration.engines.brainsfit import use_executable

        use_executable(path)


def _only(read: Callable[[], Volume]) -> Volume | None:
    """The only volume of an input, or None where there are several."""
    try:
        return read()
    except SeveralVolumesError:
        return None


def _numbers(choice: str) -> list[int]:
    if names_a_series(choice):
        raise InputError(f"--volume {choice} is for csafusion fuse; give the number of one volume here.")
    parts = choice.split(",")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--volume must be a number, or two separated by a comma, not '{choice}'.")
    return [int(part) for part in parts]


DEFAULTS = FusionSettings()

Fixed = Annotated[
    Path, typer.Argument(metavar="FIXED", help="The reference: its grid is the result's grid.", show_default=False)
]
Moving = Annotated[Path, typer.Argument(metavar="MOVING", help="The volume that is aligned to it.", show_default=False)]
NetworkDevice = Annotated[
    str, typer.Option(help="Where the network runs: auto, cpu, cuda, cuda:N or mps.", rich_help_panel=NETWORK)
]
MisalignmentMap = Annotated[
    Path | None,
    typer.Option(
        help="Also save how far off the registration is, in mm: a volume, its -uncertainty and a picture beside it.",
        rich_help_panel=OUTPUTS,
    ),
]

_ModalityOption = Annotated[
    Modality | None,
    typer.Option(case_sensitive=False, help="Guessed from the data when left out.", rich_help_panel=INPUTS),
]
_WindowOption = Annotated[
    str | None,
    typer.Option(
        metavar="WINDOW",
        help=f"Values from black to white: LEVEL,WIDTH or {'|'.join(CT_WINDOWS)}. Found when left out.",
        rich_help_panel=INPUTS,
        autocompletion=offering(CT_WINDOWS),
    ),
]


@dataclass(frozen=True)
class ReadingOptions:
    """How the two inputs are read."""

    volume: Annotated[
        str | None,
        typer.Option(
            metavar="N|N,M|all",
            help="Which volume, from 1, of an input that holds several; N,M where both do. fuse also takes all, and "
            "N,all or all,N: every volume of the series, with one registration.",
            rich_help_panel=INPUTS,
        ),
    ] = None
    orientation_from: Annotated[
        Orientation,
        typer.Option(
            case_sensitive=False,
            help="Which orientation places NIfTI volumes: header: qform or sform, as 3D Slicer chooses; nibabel: the "
            "sform first, and a header without orientation as nibabel, FSL and SPM read it.",
            rich_help_panel=INPUTS,
        ),
    ] = Orientation.HEADER

    def read(self, fixed: Path, moving: Path) -> tuple[Volume, Volume]:
        """Read both volumes, as :func:`CSAFusionLib.cli.options.read_inputs` does."""
        return read_inputs(fixed, moving, self.volume, orientation=self.orientation_from)


@dataclass(frozen=True)
class IntensityOptions:
    """What the inputs are, and which of their values are black and white."""

    fixed_modality: _ModalityOption = DEFAULTS.fixed_modality
    moving_modality: _ModalityOption = DEFAULTS.moving_modality
    fixed_window: _WindowOption = None
    moving_window: _WindowOption = None
    bias_correction: Annotated[
        bool,
        typer.Option(
            "--bias-correction",
            help="Remove the slow change of brightness that coils cause from the MR volumes, by N4.",
            rich_help_panel=INPUTS,
        ),
    ] = DEFAULTS.bias_correction


@dataclass(frozen=True)
class RegistrationOptions:
    """How the moving volume is aligned, except the method, which each command names in its own way."""

    transform_model: Annotated[
        TransformModel,
        typer.Option(
            "--model",
            case_sensitive=False,
            help="Degrees of freedom of the registration. Deformable: bspline (elastix, landmarks, brains), the "
            "others (ants).",
            rich_help_panel=REGISTRATION,
        ),
    ] = DEFAULTS.transform_model
    seed: Annotated[int, typer.Option(help="Seed of the registration's sampling.", rich_help_panel=REGISTRATION)] = (
        DEFAULTS.seed
    )
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic/--all-threads",
            help="Register with one thread, so that the same input gives the same transform, or faster with all.",
            rich_help_panel=REGISTRATION,
        ),
    ] = DEFAULTS.deterministic
    brainsfit: Annotated[
        Path | None,
        typer.Option(
            help="BRAINSFit's executable, for the method brains. Default: the one on the PATH.",
            rich_help_panel=REGISTRATION,
        ),
    ] = None


@dataclass(frozen=True)
class FusionOptions:
    """How the two aligned volumes become one."""

    colour_table: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(COLOUR_TABLES),
            help="Fuse a scalar PET or SPECT in colour, through this table.",
            rich_help_panel=FUSION,
            autocompletion=offering(COLOUR_TABLES),
        ),
    ] = DEFAULTS.colour_table
    plane: Annotated[
        Plane,
        typer.Option(
            case_sensitive=False,
            help="Plane of the slices. auto: as acquired where FIXED has thick slices, else axial.",
            rich_help_panel=FUSION,
        ),
    ] = DEFAULTS.plane
    style: Annotated[
        Style,
        typer.Option(
            case_sensitive=False,
            help="fused: by the network. Without it, in RGB: a plain overlay, FIXED and MOVING side by side, or two "
            "colours (orange FIXED, blue MOVING).",
            rich_help_panel=FUSION,
        ),
    ] = DEFAULTS.style
    opacity: Annotated[
        float,
        typer.Option(
            help="In the overlay, the opacity of the PET or SPECT, else of MOVING, from 0 to 1.", rich_help_panel=FUSION
        ),
    ] = DEFAULTS.opacity
    balance: Annotated[
        float,
        typer.Option(help="Balance of the sources, from -1 (FIXED alone) to 1 (MOVING alone).", rich_help_panel=FUSION),
    ] = DEFAULTS.balance
    through_slice_smoothing: Annotated[
        float,
        typer.Option(
            metavar="MM",
            help="Standard deviation over which neighbouring slices share their weight maps; 0 fuses each on its own.",
            rich_help_panel=FUSION,
        ),
    ] = DEFAULTS.through_slice_smoothing


@dataclass(frozen=True)
class NetworkOptions:
    """Which weights the network uses, and where it runs."""

    weights: Annotated[
        str | None,
        typer.Option(help="Bundled weights by name, or a file. Default: by modality.", rich_help_panel=NETWORK),
    ] = DEFAULTS.weights
    device: NetworkDevice = DEFAULTS.device
    batch_size: Annotated[
        int | None,
        typer.Option(help="Slices at a time. Default: by device and slice size.", rich_help_panel=NETWORK),
    ] = DEFAULTS.batch_size


def settings_from(*groups: Any, **more: Any) -> FusionSettings:
    """Make settings from the groups' options that have the name of a setting, and from ``more``.

    Raises:
        InputError: an option cannot be used, or not with the others.
    """
    given = {name: value for group in groups for name, value in vars(group).items()} | more
    return FusionSettings(**{field.name: given[field.name] for field in fields(FusionSettings) if field.name in given})


def parse_named(text: str, what: str) -> tuple[str, str]:
    """The name and the value in ``NAME=VALUE``; raises InputError, which names ``what``, where one is missing."""
    name, _, value = text.partition("=")
    if not name or not value:
        raise InputError(f"'{text}' is no {what}; give it as NAME=VALUE.")
    return name, value
