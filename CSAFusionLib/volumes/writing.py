"""Write volumes so that a file on disk is always a whole one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.errors import InputError

VOLUME_EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".mha")


def write_volume(image: sitk.Image, path: str | Path) -> None:
    """Write a volume, compressed where the format can be, put in place in one step once it is whole.

    Raises InputError as :func:`check_output_path` does, or when the disk refuses the file.
    """
    path = check_output_path(path)
    with whole_file(path) as whole:
        sitk.WriteImage(image, str(whole), useCompression=whole.suffix != ".nii")


def check_output_path(path: str | Path) -> Path:
    """Check, before any long work, that a volume can be written to ``path``; returns it as a Path.

    Raises InputError for an extension that is not .nii, .nii.gz, .nrrd or .mha, a missing or read-only folder,
    or a path that is a folder.
    """
    path = Path(path)
    if not path.name.lower().endswith(VOLUME_EXTENSIONS):
        raise InputError(
            f"'{path}' is not a volume format that can be written; end it in .nii, .nii.gz, .nrrd or .mha."
        )
    _check_place(path)
    return path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; what was written takes the place of ``path`` when the block ends well.

    Nothing is left behind when it does not, and a file that was there before stays as it was.
    Raises InputError when there is no place for the file, or when the disk refuses it.
    """
    _check_place(path)
    with tempfile.TemporaryDirectory(prefix=".csafusion-", dir=path.parent) as folder:
        whole = Path(folder) / path.name.lower()
        try:
            yield whole
            os.replace(whole, path)
        except (RuntimeError, OSError) as error:
            raise InputError(
                f"'{path}' could not be written; check that the disk has room and that no program holds the file."
            ) from error


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise InputError(f"The folder of '{path}' does not exist; create it first or choose another.")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"The folder of '{path}' cannot be written to; choose another.")
