"""Paths that a user names for outputs: whether they can be written, said in one sentence before any work."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from CSAFusionLib.errors import InputError

_LONGEST_SHOWN = 100
_REASONS = {
    errno.ELOOP: "it is a link that leads back to itself",
    errno.ENAMETOOLONG: "its name is too long for this disk",
    errno.EACCES: "its folder may not be looked into",
}


def place_of(path: Path) -> Path:
    """Return where an output is to be put: the path itself, or where it leads to as a link.

    Raises InputError for a folder, a pipe or a device, a file that is write-protected, a link that leads back to
    itself, a name that is too long, and a folder that is missing or cannot be written to.
    """
    status = _status(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise InputError(f"'{path}' is a folder; give the name of a file.")
    if status is not None and not stat.S_ISREG(status.st_mode):
        raise InputError(f"'{path}' is a pipe or a device, not a file; give another name.")
    if status is not None and not os.access(path, os.W_OK):
        raise InputError(f"'{path}' is write-protected; give another name, or allow it to be written to.")
    place = Path(os.path.realpath(path))
    _check_folder_of(place.parent, f"The folder of '{path}'" if place.parent == path.parent else f"'{place.parent}'")
    return place


def check_folder(folder: Path) -> None:
    """Refuse a folder for outputs that is missing or cannot be written to.

    Raises InputError, naming the folder.
    """
    _check_folder_of(folder, f"The folder '{shown(folder)}'")


def is_taken(folder: Path) -> bool:
    """Whether the path of a folder is taken by a file or a broken link.

    Raises InputError for a link that leads back to itself, and a name that is too long.
    """
    status = _status(folder)
    return folder.is_symlink() if status is None else not stat.S_ISDIR(status.st_mode)


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, also where only one spelling of the name differs, or neither is there yet."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        one, other = (Path(os.path.realpath(path)) for path in (one, other))
        return os.path.normcase(one) == os.path.normcase(other)


def shown(path: Path) -> str:
    """A path for a message, cut if it is very long."""
    text = str(path)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _status(path: Path) -> os.stat_result | None:
    """What a path leads to, or None where nothing is there."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = _REASONS.get(number or 0, str(error))
        raise InputError(f"'{shown(path)}' cannot be used: {reason}; give another name.") from error


def _check_folder_of(folder: Path, name: str) -> None:
    status = _status(folder)
    if status is None or not stat.S_ISDIR(status.st_mode):
        raise InputError(f"{name} does not exist; make it first or choose another.")
    try:
        # Rights alone do not tell: a disk can be read-only, and some folders take no files even from the administrator.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{name} cannot be written to ({error.strerror}); choose another.") from error
