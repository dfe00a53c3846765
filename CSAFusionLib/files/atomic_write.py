"""Check output paths before any work, and put output files in place together or not at all.

Each file is written beside its place and read back before it is moved there.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from CSAFusionLib.errors import InputError
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.progress import Progress, silent, undisturbed

_LONGEST_SHOWN = 100
_REASONS_OF_FOLDERS = {
    errno.ELOOP: "it is a link that leads back to itself",
    errno.ENAMETOOLONG: "its name is too long for this disk",
    errno.EACCES: "its folder may not be looked into",
}


def place_of(path: Path) -> Path:
    """Return the place of an output: the path itself, or the target of a link.

    Raises InputError for a folder, a pipe or a device, a file that is write-protected, a link that leads back to
    itself, a name that is too long or no text, and a folder that is missing or cannot be written to.
    """
    status = _status(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise InputError(f"'{path}' is a folder; give the name of a file.")
    if status is not None and not stat.S_ISREG(status.st_mode):
        raise InputError(f"'{path}' is a pipe or a device, not a file; give another name.")
    if status is not None and not os.access(path, os.W_OK):
        raise InputError(f"'{path}' is write-protected; give another name, or allow it to be written to.")
    place = Path(os.path.realpath(path))
    check_is_text(place)
    _check_folder_of(place.parent, f"The folder of '{path}'" if place.parent == path.parent else f"'{place.parent}'")
    return place


def check_is_text(path: Path) -> None:
    """Refuse a path with bytes that are no text, such as a name in an old encoding: SimpleITK would end the process.

    Raises InputError.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"'{shown(path)}' has a name, or lies in a folder with a name, that is no text in this system's encoding; "
            "rename it."
        ) from None


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
    """Whether two paths lead to the same file, even if their spelling differs or neither exists yet."""
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
    """The status of what a path leads to; None where nothing exists."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = _REASONS_OF_FOLDERS.get(number or 0, str(error))
        raise InputError(f"'{shown(path)}' cannot be used: {reason}; give another name.") from error


def _check_folder_of(folder: Path, name: str) -> None:
    status = _status(folder)
    if status is None or not stat.S_ISDIR(status.st_mode):
        raise InputError(f"{name} does not exist; make it first or choose another.")
    try:
        # Permissions alone do not suffice: a disk can be read-only, and some folders refuse files even from
        # administrators.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{name} cannot be written to ({error.strerror}); choose another.") from error


Writer = Callable[[Path], object]
"""Writes an output to the given path, which has the output's name, and reads it back.

It raises OSError, RuntimeError or Unwritable where the file is not as it should be.
"""

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your share of the disk is used up",
    errno.EFBIG: "it is larger than files may be here",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "another program holds it, or it may not be changed",
    errno.EPERM: "another program holds it, or it may not be changed",
}
_FULL = 2**20
"""With less room than this, in bytes, a disk counts as full when a library could not write."""


class Unwritable(RuntimeError):
    """The reason why a file is not as it should be, as the end of a sentence that begins with its name."""


@dataclass(frozen=True)
class _Draft:
    """An output that is not in place yet, with its path as the user gave it and its resolved place."""

    path: Path
    place: Path
    file: Path

    @property
    def old(self) -> Path:
        """The place of the previous file until all outputs are in place."""
        return self.file.with_name("before")


def atomic_write(writers: Mapping[Path, Writer], progress: Progress = silent) -> None:
    """Write every file beside its place, then put them all in place; a failure leaves everything as it was.

    A link is followed. A file that is replaced keeps its mode.

    Args:
        writers: the function that writes each output.
        progress: may cancel between two files, and before they are put in place.

    Raises:
        InputError: an output cannot be written; the message gives the reason and the user's path.
    """
    with ExitStack() as folders:
        beside: dict[Path, Path] = {}
        drafts: list[_Draft] = []
        for path, write in writers.items():
            progress("Writing", 0, 0)
            place = place_of(path)
            with _blames(path):
                if place.parent not in beside:
                    beside[place.parent] = folders.enter_context(OwnedFolder(place.parent, prefix=".csafusion-"))
                drafts.append(_draft(path, place, beside[place.parent] / str(len(drafts))))
                write(drafts[-1].file)
        for draft in drafts:
            with _blames(draft.path):
                _settle(draft)
        progress("Writing", 0, 0)
        with undisturbed():
            _put_in_place(drafts)


def content_writer(content: str | bytes) -> Writer:
    """Return the function that writes this content; text in UTF-8, with its line ends unchanged."""
    data = content.encode("utf-8") if isinstance(content, str) else content

    def write(path: Path) -> None:
        path.write_bytes(data)
        if path.read_bytes() != data:
            raise Unwritable("the disk does not keep it whole")

    return write


def _draft(path: Path, place: Path, folder: Path) -> _Draft:
    """A draft in its own new folder, with the output's name; ITK recognises only lower-case extensions."""
    folder.mkdir()
    ending = len(".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix)
    start = len(path.name) - ending
    return _Draft(path, place, folder / (path.name[:start] + path.name[start:].lower()))


def _settle(draft: _Draft) -> None:
    """Flush a file to the disk, when some disks first report an error, and set its mode."""
    if not draft.file.is_file():
        raise Unwritable("nothing was written")
    with draft.file.open("rb+") as file:
        os.fsync(file.fileno())
    with suppress(FileNotFoundError):
        before = draft.place.stat()
        draft.file.chmod(stat.S_IMODE(before.st_mode))
        if (before.st_uid, before.st_gid) != (draft.file.stat().st_uid, draft.file.stat().st_gid):
            with suppress(PermissionError):
                os.chown(draft.file, before.st_uid, before.st_gid)


def _put_in_place(drafts: Sequence[_Draft]) -> None:
    """Move all drafts into place; if one move fails, restore everything."""
    moved: list[_Draft] = []
    try:
        for draft in drafts:
            moved.append(draft)
            if len(drafts) > 1 and draft.place.exists():
                _keep(draft)
            os.replace(draft.file, draft.place)
    except OSError as error:
        for draft in reversed(moved):
            _put_back(draft)
        raise _refusal(moved[-1].path, error) from error


def _keep(draft: _Draft) -> None:
    try:
        os.link(draft.place, draft.old)
    except OSError:
        # Not every disk supports hard links; the file is then missing for a moment.
        os.replace(draft.place, draft.old)


def _put_back(draft: _Draft) -> None:
    # A file that cannot be restored must not prevent the others.
    with suppress(OSError):
        if draft.file.exists() and draft.place.exists():
            return
        if draft.old.exists():
            os.replace(draft.old, draft.place)
        else:
            draft.place.unlink()


@contextmanager
def _blames(path: Path) -> Iterator[None]:
    """Report a failure with the name of the output."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError | RuntimeError) -> InputError:
    reason = str(error) if isinstance(error, Unwritable) else _REASONS.get(getattr(error, "errno", None) or 0)
    if reason is None and shutil.disk_usage(path.parent).free < _FULL:
        reason = _REASONS[errno.ENOSPC]
    if reason is None:
        reason = "check that the disk has room and that no program holds the file"
    return InputError(f"'{path}' could not be written: {reason}.")
