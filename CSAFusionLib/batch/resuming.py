"""What of a batch has ended before, with the same inputs and the same settings."""

from __future__ import annotations

from pathlib import Path

from CSAFusionLib.batch.case import Case
from CSAFusionLib.batch.checksums import describe_input
from CSAFusionLib.batch.layout import FAILED, Record, read_record
from CSAFusionLib.errors import InputError


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
