"""Write volumes so that a file on disk is always a whole one, which lies where the volume lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write
from CSAFusionLib.files.paths import place_of
from CSAFusionLib.volumes.encoding import encode, layout_of
from CSAFusionLib.volumes.read_back import check_written

VOLUME_EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".mha")


def write_volume(image: sitk.Image, path: str | Path) -> None:
    """Write a volume, compressed where the format can be, read it back, and only then put it in place in one step.

    Raises InputError as :func:`check_output_path` does, when the disk refuses the file, or when the format cannot hold
    the volume or where it lies.
    """
    path = check_output_path(path)
    atomic_write({path: volume_writer(image)})


def volume_writer(image: sitk.Image, on_chunk: Callable[[], None] = lambda: None, *, compressed: bool = True) -> Writer:
    """Return what writes a volume to a path that ends in one of ``VOLUME_EXTENSIONS``, and reads it back.

    on_chunk: called for every piece, of about a megabyte; it may raise to stop.
    """

    def write(path: Path) -> None:
        layout = layout_of(image, path, compressed=compressed)
        encode(image, layout, path, on_chunk)
        check_written(image, layout, path, on_chunk)

    return write


def check_output_path(path: str | Path) -> Path:
    """Check, before any long work, that a volume can be written to ``path``; returns it as a Path.

    Raises InputError for an extension that is not .nii, .nii.gz, .nrrd or .mha, and as
    :func:`CSAFusionLib.files.paths.place_of` does.
    """
    path = Path(path)
    if not path.name.lower().endswith(VOLUME_EXTENSIONS):
        raise InputError(
            f"'{path}' is not a volume format that can be written; end it in .nii, .nii.gz, .nrrd or .mha."
        )
    place_of(path)
    return path
