"""Read the two inputs of a command, with the volumes that ``--volume`` chooses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.choice import SeveralVolumesError
from CSAFusionLib.volumes.nifti_orientation import Orientation
from CSAFusionLib.volumes.reading import read_volume
from CSAFusionLib.volumes.volume import Volume


def read_inputs(
    fixed: Path, moving: Path, choice: str | None, *, orientation: Orientation = Orientation.HEADER
) -> tuple[Volume, Volume]:
    """Read the fixed and the moving volume; the moving one may be sheared, since it is resampled anyway.

    Args:
        orientation: which of its orientations places a NIfTI volume.
        choice: None; one number, for the input that holds several volumes; or two with a comma between them, for the
            fixed and the moving input.

    Raises:
        InputError: a volume cannot be read, or the choice does not say which one is meant.
    """
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


def _only(read: Callable[[], Volume]) -> Volume | None:
    """The only volume of an input, or None where there are several."""
    try:
        return read()
    except SeveralVolumesError:
        return None


def _numbers(choice: str) -> list[int]:
    parts = choice.split(",")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--volume must be a number, or two with a comma between them, not '{choice}'.")
    return [int(part) for part in parts]
