"""Options that say where a registration compares the two volumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from CSAFusionLib.batch.checksums import describe_input
from CSAFusionLib.cli.panels import REGISTRATION
from CSAFusionLib.cli.transform_options import TransformChoice
from CSAFusionLib.registration.masks import NO_MASKS, RegistrationMasks, check_guides
from CSAFusionLib.registration.methods import Method
from CSAFusionLib.volumes.input_path import check_input_path
from CSAFusionLib.volumes.nifti_orientation import Orientation
from CSAFusionLib.volumes.volume import Volume


@dataclass(frozen=True)
class MaskOptions:
    """The masks of the registration."""

    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Register by what lies where this volume on FIXED's grid is not 0.",
            rich_help_panel=REGISTRATION,
        ),
    ] = None
    moving_mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The same on MOVING's grid.", rich_help_panel=REGISTRATION),
    ] = None

    def check(self, method: Method, known: TransformChoice | None) -> None:
        """Raise InputError for masks that the registration would not look at."""
        if self.inputs:
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

        orientation: what places the volumes, and so the masks.

        Raises InputError as :meth:`RegistrationMasks.of` does.
        """
        if not self.inputs:
            return NO_MASKS
        (fixed, of_fixed), (moving, of_moving) = (_read(path, orientation) for path in (self.mask, self.moving_mask))
        return RegistrationMasks.of(volumes, (fixed, moving), (of_fixed, of_moving))


def _read(path: Path | None, orientation: Orientation) -> tuple[Volume | None, str | None]:
    """A mask and the SHA-256 of its file."""
    if path is None:
        return None, None
    from CSAFusionLib.volumes.reading import read_volume

    return read_volume(path, orientation=orientation, keep_shear=True), str(describe_input(path)["sha256"])
