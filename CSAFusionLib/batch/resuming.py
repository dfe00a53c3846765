"""Find the cases that have ended with the same inputs and settings, and lock the folder of results.

An input is identified by its SHA-256, which is not computed again while its size and time of change stay the same.

Each command locks a file in the folder that identifies the command; parts of one batch may run at the same time. The
system releases the lock when the process ends, however it ends; on NFS and cluster file systems the lock applies to all
computers that see the folder. A killed command leaves an unlocked file, which the next command removes.
"""

from __future__ import annotations

import errno
import getpass
import hashlib
import json
import os
import platform
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.layout import FAILED, Record, read_record
from CSAFusionLib.errors import InputError
from CSAFusionLib.text import printable, to_json
from CSAFusionLib.volumes.input_path import check_input_path

_CHUNK = 2**20
_TELL_A_CHANGE = ("path", "bytes", "modified_ns")


def describe_input(path: Path, known: object = None) -> dict[str, Any]:
    """Path, SHA-256, size in bytes and time of change of a file or a folder, as a sidecar holds them.

    A folder, or a header with its voxels in a separate file, includes all the files it stands for.

    known: an earlier description, whose checksum is reused for the same size and time of change.

    Raises InputError for a path that cannot be read.
    """
    check_input_path(path)
    files = list(_files(path))
    status = [os.stat(file) for file in files]
    now: dict[str, Any] = {
        "path": str(path),
        "sha256": "",
        "bytes": sum(one.st_size for one in status),
        "modified_ns": max((one.st_mtime_ns for one in status), default=0),
    }
    unchanged = isinstance(known, dict) and all(known.get(name) == now[name] for name in _TELL_A_CHANGE)
    if isinstance(known, dict) and unchanged and isinstance(known.get("sha256"), str):
        return now | {"sha256": known["sha256"]}
    return now | {"sha256": _sha256(files[0]) if files == [path] else _sha256_of_all(files)}


def _files(path: Path) -> Iterator[Path]:
    """The files an input stands for, in a fixed order."""
    if path.is_dir():
        for folder, below, names in os.walk(path):
            below.sort()
            # Reading a pipe among the slices would block forever.
            yield from (file for name in sorted(names) if _is_regular(file := Path(folder, name)))
        return
    yield path
    for ending in _BESIDE.get(path.suffix.lower(), ()):
        beside = path.with_suffix(ending)
        if beside.is_file():
            yield beside


_BESIDE = {".hdr": (".img", ".img.gz"), ".img": (".hdr",), ".mhd": (".raw", ".zraw"), ".nhdr": (".raw", ".raw.gz")}


def _is_regular(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return False


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sha256_of_all(files: list[Path]) -> str:
    """Over names and contents, whichever folder they are in."""
    digest = hashlib.sha256()
    top = Path(os.path.commonpath([file.parent for file in files])) if files else Path()
    for file in files:
        digest.update(f"{file.relative_to(top).as_posix()}\0{_sha256(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def ended(case: Case, out: Path) -> Record | None:
    """The record of a case that has ended, done or failed; None when it is new, or its inputs or settings have changed.

    The version of this package does not count as a setting: the results of another version stay valid.
    """
    for file in (out / FAILED / f"{case.name}.json", out / case.place.folder / case.place.sidecar):
        record = read_record(file)
        if record is not None and record.name == case.name and _is_of(case, record):
            return record
    return None


def _is_of(case: Case, record: Record) -> bool:
    if any(record.values.get(key) != value for key, value in case.choices.items()):
        return False
    if not record.failed and not all((record.file.parent / one["file"]).is_file() for one in _outputs(record)):
        return False
    known, now = record.values["inputs"], case.inputs
    if record.failed and record.sentence == case.refusal:
        return True
    return set(known) == set(now) and all(_is_same(path, known[role], record) for role, path in now.items())


def _outputs(record: Record) -> list[dict[str, str]]:
    return list(record.values["outputs"].values())


def _is_same(path: Path, known: dict[str, object], record: Record) -> bool:
    try:
        return describe_input(path, known)["sha256"] == known.get("sha256")
    except (InputError, OSError):
        # A missing input does not invalidate a result made from it, and would fail again where it has failed.
        return known.get("path") == str(path) and ("sha256" not in known or not record.failed)


_START = ".csafusion-batch"
_NAME = re.compile(rf"{re.escape(_START)}(?:-part-(\d+)-of-(\d+))?\.lock")
# A process that tests whether a lock is held acquires it for a moment.
_TRIES, _SECONDS_BETWEEN = 20, 0.05
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}

BatchPart = tuple[int, int]
"""The number of a part of a batch, from 1, and the number of parts."""


@contextmanager
def held(out: Path, part: BatchPart | None) -> Iterator[bool]:
    """Keep other commands from the cases of a folder during the block.

    Yields whether the disk supports locks; where it does not, no command is kept away.

    Args:
        out: the folder, which must exist.
        part: the part that this command runs; other parts of the same batch are not kept away. None means all cases.

    Raises InputError, which describes the command at work there.
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
    """Describe each command that works on the cases of a folder; empty where there is none."""
    return [_described(file) for file, _ in _locks(out) if _is_held(file)]


def _file_name(part: BatchPart | None) -> str:
    return f"{_START}.lock" if part is None else f"{_START}-part-{part[0]}-of-{part[1]}.lock"


def _locks(out: Path) -> list[tuple[Path, BatchPart | None]]:
    """The lock files of a folder, with the parts that they stand for."""
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
        f"'{file.parent}' is in use: {_described(file)} is running there; wait until it has ended, or choose another "
        "folder with -o."
    )


def _who(part: BatchPart | None) -> dict[str, Any]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "somebody"
    holder = {"user": user, "host": platform.node(), "process": os.getpid()}
    return holder | {"since": datetime.now().astimezone().isoformat(timespec="minutes"), "part": part}


def _described(file: Path) -> str:
    """The holder of a lock, as the subject of a sentence."""
    try:
        holder = json.loads(file.read_text(encoding="utf-8"))
        part = f", part {holder['part'][0]}/{holder['part'][1]}" if holder["part"] else ""
        since = f"process {holder['process']}, since {holder['since']}{part}"
        text = f"{holder['user']}'s csafusion batch on {holder['host']} ({since})"
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return "another csafusion batch"
    return printable(text)


if sys.platform == "win32":

    def _acquired(file: Path) -> int | None:
        """The open file: Windows removes no file that a process holds open."""
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
        """The locked file, empty; None where the disk does not support locks."""
        for _ in range(_TRIES):
            descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Another process may have removed it between the two calls.
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
        # Removed while locked, so that no other process locks a file that is about to vanish.
        with suppress(OSError):
            file.unlink()
        os.close(descriptor)
