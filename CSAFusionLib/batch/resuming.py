"""What of a batch has ended before, with the same inputs and the same settings.

An input is known by its SHA-256, or without reading the file again where nothing about it has changed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.layout import FAILED, Record, read_record
from CSAFusionLib.errors import InputError
from CSAFusionLib.volumes.input_path import check_input_path

_CHUNK = 2**20
_TELL_A_CHANGE = ("path", "bytes", "modified_ns")


def describe_input(path: Path, known: object = None) -> dict[str, Any]:
    """Path, SHA-256, size in bytes and time of change of a file or a folder, as a sidecar holds them.

    A folder, or a header with its voxels in a file beside it, counts with all the files it stands for.

    known: an earlier description; of a file of the same size and time of change its checksum is taken.

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
    """The files an input stands for, in an order of their own."""
    if path.is_dir():
        for folder, below, names in os.walk(path):
            below.sort()
            # A pipe among the slices would be waited for without end.
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
    """Over names and contents, whatever folder they lie in."""
    digest = hashlib.sha256()
    top = Path(os.path.commonpath([file.parent for file in files])) if files else Path()
    for file in files:
        digest.update(f"{file.relative_to(top).as_posix()}\0{_sha256(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def ended(case: Case, out: Path) -> Record | None:
    """How a case has ended, done or failed; None when it is to be done: for the first time, or with what has changed.

    A version of this package is none of the settings: what another one has done stays.
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
        # What is gone says nothing against what was done with it, and fails as it has failed.
        return known.get("path") == str(path) and ("sha256" not in known or not record.failed)
