"""One command at a time works on the cases of a folder, though the parts of one batch work there side by side.

Each command keeps a file in the folder locked, which says who it is. The system drops the lock with the process,
however that ends; on NFS and the file systems of clusters it holds for all computers that see the folder. What a
command that was killed leaves of it is an unlocked file, which the next one removes.
"""

from __future__ import annotations

import errno
import getpass
import json
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from CSAFusionLib.errors import InputError
from CSAFusionLib.text import printable, to_json

_START = ".csafusion-batch"
_NAME = re.compile(rf"{re.escape(_START)}(?:-part-(\d+)-of-(\d+))?\.lock")
# Who looks whether a lock is held has it for a moment.
_TRIES, _SECONDS_BETWEEN = 20, 0.05
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}

BatchPart = tuple[int, int]
"""Which part of a batch, from 1, of how many."""


@contextmanager
def held(out: Path, part: BatchPart | None) -> Iterator[bool]:
    """Keep other commands from the cases of a folder during the block.

    Gives whether the disk knows locks; where it does not, nobody is kept away.

    Args:
        out: the folder, which exists.
        part: the one that this command does; another part of as many is not kept away. None does all cases.

    Raises InputError, which says who is at work there.
    """
    file = out / _file_name(part)
    descriptor = _acquired(file)
    try:
        if descriptor is not None:
            os.write(descriptor, to_json(_who(part)).encode())
            _refuse_others(out, file, part)
        yield descriptor is not None
    finally:
        if descriptor is not None:
            _release(file, descriptor)


def at_work(out: Path) -> list[str]:
    """Say of each command that works on the cases of a folder who it is; nothing where there is none."""
    return [_described(file) for file, _ in _locks(out) if _is_held(file)]


def _file_name(part: BatchPart | None) -> str:
    return f"{_START}.lock" if part is None else f"{_START}-part-{part[0]}-of-{part[1]}.lock"


def _locks(out: Path) -> list[tuple[Path, BatchPart | None]]:
    """The lock files of a folder, with the parts that they are of."""
    with suppress(OSError):
        found = [(path, _NAME.fullmatch(path.name)) for path in sorted(out.iterdir())]
        return [(path, (int(name[1]), int(name[2])) if name[1] else None) for path, name in found if name]
    return []


def _refuse_others(out: Path, own: Path, part: BatchPart | None) -> None:
    for file, other in _locks(out):
        beside = part is not None and other is not None and part[1] == other[1]
        if file == own or beside:
            continue
        if _is_held(file):
            raise _in_use(file)
        with suppress(OSError):
            file.unlink()


def _in_use(file: Path) -> InputError:
    return InputError(
        f"'{file.parent}' is in use: {_described(file)} works there; wait until that has ended, or give another folder "
        "with -o."
    )


def _who(part: BatchPart | None) -> dict[str, Any]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "somebody"
    told = {"user": user, "host": platform.node(), "process": os.getpid()}
    return told | {"since": datetime.now().astimezone().isoformat(timespec="minutes"), "part": part}


def _described(file: Path) -> str:
    """Who holds a lock, as the subject of a sentence."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        part = f", part {told['part'][0]}/{told['part'][1]}" if told["part"] else ""
        since = f"process {told['process']}, since {told['since']}{part}"
        said = f"{told['user']}'s csafusion batch on {told['host']} ({since})"
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return "another csafusion batch"
    return printable(said)


if sys.platform == "win32":

    def _acquired(file: Path) -> int | None:
        """The open file: Windows removes none that a process holds open."""
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                try:
                    file.unlink()
                except PermissionError:
                    time.sleep(_SECONDS_BETWEEN)
                    continue
            with suppress(FileExistsError, PermissionError):
                return os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR)
        raise _in_use(file)

    def _is_held(file: Path) -> bool:
        try:
            file.unlink(missing_ok=True)
        except OSError:
            return True
        return False

    def _release(file: Path, descriptor: int) -> None:
        os.close(descriptor)
        with suppress(OSError):
            file.unlink()

else:
    import fcntl

    def _acquired(file: Path) -> int | None:
        """The locked file, empty; None where the disk knows no locks."""
        for _ in range(_TRIES):
            descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Another may have removed it between the two.
                if os.fstat(descriptor).st_ino == os.stat(file).st_ino:
                    os.ftruncate(descriptor, 0)
                    return descriptor
            except FileNotFoundError:
                pass
            except OSError as error:
                os.close(descriptor)
                if error.errno in _NO_LOCKS:
                    with suppress(OSError):
                        file.unlink()
                    return None
                time.sleep(_SECONDS_BETWEEN)
                continue
            os.close(descriptor)
        raise _in_use(file)

    def _is_held(file: Path) -> bool:
        try:
            descriptor = os.open(file, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in _NO_LOCKS
        finally:
            os.close(descriptor)
        return False

    def _release(file: Path, descriptor: int) -> None:
        # Still locked, so that nobody takes a file for theirs that is removed.
        with suppress(OSError):
            file.unlink()
        os.close(descriptor)
