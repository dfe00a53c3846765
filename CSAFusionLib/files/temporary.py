"""Temporary folders that are removed even when their owner is killed: by the next process that makes one.

Each holds a file that its owner keeps locked. The system releases the lock when the process ends, however it ends, so a
folder whose lock is free has no owner any more. Only folders of this computer and this user are examined.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from CSAFusionLib.progress import undisturbed

PREFIX = "csafusion-"

_LOCK = f"owner-{re.sub(r'[^A-Za-z0-9.-]', '_', platform.node())}.lock"
"""The name of this computer: locks are not visible on every computer that shares a disk."""

_swept: set[tuple[Path, str]] = set()


class OwnedFolder:
    """A new temporary folder, removed at the end of its ``with`` block, by :meth:`remove`, or with this process.

    Folders that killed processes left beside it are removed first.

    Args:
        parent: the folder to create it in; the system's temporary folder when None.
        prefix: the prefix of its name.

    Raises OSError where it cannot be created.
    """

    def __init__(self, parent: Path | None = None, *, prefix: str = PREFIX) -> None:
        parent = Path(parent or tempfile.gettempdir())
        if (parent, prefix) not in _swept:  # once in each process, which is often enough
            _swept.add((parent, prefix))
            sweep(parent, prefix)
        with undisturbed():
            self._folder = tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)
            self._lock: int | None = _hold(self.path)

    @property
    def path(self) -> Path:
        """The path of the folder."""
        return Path(self._folder.name)

    def remove(self) -> None:
        """Remove the folder with its contents; does nothing the second time."""
        with undisturbed():
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None
            self._folder.cleanup()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def sweep(parent: Path, prefix: str = PREFIX) -> None:
    """Remove the folders in ``parent``, with names that begin with ``prefix``, whose owners have ended."""
    with suppress(OSError), os.scandir(parent) as entries:
        ours = [Path(entry) for entry in entries if entry.name.startswith(prefix) and _is_our_folder(entry)]
        for folder in filter(_is_abandoned, ours):
            _clear(folder)


def _clear(folder: Path) -> None:
    """Remove a folder, its lock last.

    A child of the owner that ends a moment later may still write into it, which keeps the folder; with the lock file,
    the next process can remove it.
    """
    for entry in list(folder.iterdir()):
        if entry.name == _LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with suppress(OSError):
                entry.unlink()
    if all(entry.name == _LOCK for entry in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


def _is_our_folder(entry: os.DirEntry[str]) -> bool:
    if not entry.is_dir(follow_symlinks=False):
        return False
    return sys.platform == "win32" or entry.stat(follow_symlinks=False).st_uid == os.getuid()


if sys.platform == "win32":

    def _hold(folder: Path) -> int:
        return os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR)

    def _is_abandoned(folder: Path) -> bool:
        """Windows cannot remove a file that a process holds open."""
        try:
            (folder / _LOCK).unlink()
        except OSError:
            return False
        return True

else:
    import fcntl

    def _hold(folder: Path) -> int:
        """Lock a file before naming it, so that no process mistakes a folder not yet locked for an abandoned one."""
        unnamed = folder / "owner.new"
        descriptor = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
        # Where the disk does not support locks, the folder has none, and no process sweeps it.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(folder / _LOCK)
        return descriptor

    def _is_abandoned(folder: Path) -> bool:
        try:
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True
