"""Options that name a known transform, and options that say where a registration compares the two volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from CSAFusionLib.cli.panels import REGISTRATION
from CSAFusionLib.errors import InputError
from CSAFusionLib.registration.registration import MatrixKind, Method
from CSAFusionLib.volumes.input_path import check_input_path
from CSAFusionLib.volumes.nifti import Orientation
from CSAFusionLib.volumes.volume import Volume

if TYPE_CHECKING:
    from CSAFusionLib.registration.given_transform import GivenTransform
    from CSAFusionLib.registration.registration import RegistrationMasks


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
