"""Write volumes so that a file on disk is always a whole one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import SimpleITK as sitk

from CSAFusionLib.errors import InputError

VOLUME_EXTENSIONS = (".nii", ".nii.gz", ".nrrd", ".mha")


def write_volume(image: sitk.Image, path: str | Path) -> None:
    """Write an image to ``path``: written whole beside it first, then put in place in one step.

    Raises InputError as :func:`check_output_path` does, or when the disk refuses the file.
    """
    path = check_output_path(path)
    with tempfile.TemporaryDirectory(prefix=".csafusion-", dir=path.parent) as folder:
        whole = Path(folder) / f"volume{_extension(path)}"
        try:
            sitk.WriteImage(image, str(whole), useCompression=_extension(path) != ".nii")
        except RuntimeError as error:
            raise InputError(f"'{path}' could not be written; check that the disk has room for it.") from error
        os.replace(whole, path)


def check_output_path(path: str | Path) -> Path:
    """Check, before any long work, that a volume can be written to ``path``; returns it as a Path.

    Raises InputError for an extension that is not .nii, .nii.gz, .nrrd or .mha, a missing or read-only folder,
    or a path that is a folder.
    """
    path = Path(path)
    if _extension(path) is None:
        raise InputError(f"'{path}' is not a volume format that can be written; end it in {_listed()}.")
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; give a file name that ends in {_listed()}.")
    if not path.parent.is_dir():
        raise InputError(f"The folder of '{path}' does not exist; create it first or choose another.")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"The folder of '{path}' cannot be written to; choose another.")
    return path


def _extension(path: Path) -> str | None:
    name = path.name.lower()
    # The longest match, so that ".nii.gz" is not taken for an unknown ".gz".
    return next((end for end in sorted(VOLUME_EXTENSIONS, key=len, reverse=True) if name.endswith(end)), None)


def _listed() -> str:
    return ", ".join(VOLUME_EXTENSIONS[:-1]) + f" or {VOLUME_EXTENSIONS[-1]}"
