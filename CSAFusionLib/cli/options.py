"""Options that several commands share, in groups: inputs, intensities, known transforms, and masks for a registration.

The defaults are those of the settings. A command takes a group as one parameter: :mod:`CSAFusionLib.cli.panels` turns
each of its fields into an option.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from CSAFusionLib.registration.registration import MatrixKind, Method, TransformModel
from CSAFusionLib.volumes.input_path import SeveralVolumesError, check_input_path, names_a_series
from CSAFusionLib.volumes.nifti import Orientation
from CSAFusionLib.volumes.volume import Volume

if TYPE_CHECKING:
    from CSAFusionLib.registration.given_transform import GivenTransform
    from CSAFusionLib.registration.registration import RegistrationMasks
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
    from CSAFusionLib.volumes.reading import read_pair, read_volume

    if choice is None:
        return read_pair(fixed, moving, orientation=orientation)
    numbers = _numbers(choice)
    if len(numbers) == 2:
        return read_pair(fixed, moving, (numbers[0], numbers[1]), orientation=orientation)
    readers = (
        partial(read_volume, fixed, orientation=orientation),
        partial(read_volume, moving, orientation=orientation, keep_shear=True),
    )
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


InitialTransform = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="T",
        help="Start the registration from this transform instead of the headers.",
        rich_help_panel=REGISTRATION,
    ),
]


@dataclass(frozen=True)
class TransformOptions:
    """Options that describe a given transform, whose own option each command names in its own way."""

    inverse: Annotated[
        bool,
        typer.Option("--inverse", help="Use the inverse of the given transform.", rich_help_panel=REGISTRATION),
    ] = False
    matrix: Annotated[
        MatrixKind | None,
        typer.Option(
            case_sensitive=False,
            help="What wrote a bare 4 x 4 matrix: fsl is FLIRT, ras is Greedy, NiftyReg or c3d.",
            rich_help_panel=REGISTRATION,
        ),
    ] = None
    transform_fixed: Annotated[
        Path | None,
        typer.Option(
            metavar="VOLUME",
            help="The reference of the given transform's own registration, if it is another volume (FSL).",
            rich_help_panel=REGISTRATION,
        ),
    ] = None
    transform_moving: Annotated[
        Path | None,
        typer.Option(
            metavar="VOLUME",
            help="The input of the given transform's own registration, if it is another volume (FSL).",
            rich_help_panel=REGISTRATION,
        ),
    ] = None

    def choice(self, files: Sequence[Path] | None, *, is_start: bool = False) -> TransformChoice | None:
        """The transform in these files; None where there are no files.

        Raises InputError for an option that describes a transform when there is none, and for a missing file.
        """
        if files:
            choice = TransformChoice(tuple(files), self, is_start)
            for path in choice.inputs:
                check_input_path(path)
            return choice
        for name, value in vars(self).items():
            if value:
                option = "--" + name.replace("_", "-")
                raise InputError(f"{option} describes a given transform, but none is given; name one or leave it out.")
        return None


@dataclass(frozen=True)
class TransformChoice:
    """The files of a given transform, the user's options for them, and whether a registration starts from it."""

    files: tuple[Path, ...]
    about: TransformOptions
    is_start: bool = False

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files that are read, which no output may replace."""
        return (*self.files, *filter(None, (self.about.transform_fixed, self.about.transform_moving)))

    def read(self, fixed: Volume, moving: Volume, paths: tuple[Path, Path]) -> GivenTransform:
        """Read the transform from points of ``fixed`` to points of ``moving``; ``paths`` are the files of both volumes.

        Raises InputError as :func:`CSAFusionLib.registration.given_transform.read_given` does.
        """
        from CSAFusionLib.registration.foreign_transforms import Frame, Frames
        from CSAFusionLib.registration.given_transform import read_given
        from CSAFusionLib.volumes.reading import read_volume

        between = self.about.transform_fixed, self.about.transform_moving
        frames = Frames(Frame(fixed.image, paths[0]), Frame(moving.image, paths[1]))
        other = [None if path is None else Frame(read_volume(path).image, path) for path in between]
        return read_given(
            self.files,
            frames,
            is_inverse=self.about.inverse,
            matrix=self.about.matrix,
            found_between=(other[0], other[1]),
        )


@dataclass(frozen=True)
class MaskOptions:
    """The masks of the registration."""

    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Register only what lies where this volume on FIXED's grid is not 0.",
            rich_help_panel=REGISTRATION,
        ),
    ] = None
    moving_mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The same on MOVING's grid.", rich_help_panel=REGISTRATION),
    ] = None

    def check(self, method: Method, known: TransformChoice | None) -> None:
        """Raise InputError for masks that the registration would ignore."""
        if self.inputs:
            from CSAFusionLib.registration.registration import check_guides

            check_guides(method, is_given=known is not None and not known.is_start)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that are read, which no output may replace. Raises InputError for a missing one."""
        given = tuple(path for path in (self.mask, self.moving_mask) if path is not None)
        for path in given:
            check_input_path(path)
        return given

    def read(self, volumes: tuple[Volume, Volume], orientation: Orientation) -> RegistrationMasks:
        """The masks of the fixed and the moving volume.

        orientation: which NIfTI orientation places the volumes, and so the masks.

        Raises InputError as :meth:`RegistrationMasks.of` does.
        """
        from CSAFusionLib.registration.registration import NO_MASKS, RegistrationMasks

        if not self.inputs:
            return NO_MASKS
        (fixed, of_fixed), (moving, of_moving) = (_read(path, orientation) for path in (self.mask, self.moving_mask))
        return RegistrationMasks.of(volumes, (fixed, moving), (of_fixed, of_moving))


def _read(path: Path | None, orientation: Orientation) -> tuple[Volume | None, str | None]:
    """A mask and the SHA-256 of its file."""
    if path is None:
        return None, None
    from CSAFusionLib.batch.resuming import describe_input
    from CSAFusionLib.volumes.reading import read_volume

    return read_volume(path, orientation=orientation, keep_shear=True), str(describe_input(path)["sha256"])
