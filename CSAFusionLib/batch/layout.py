"""The layout of a batch's results on disk, and how to read them back.

``summary.tsv`` has one row for each case; rows are added as cases end, and sorted in the order of the pairs at the end.

::

    OUT/
      summary.tsv                one row for each case, in the order of the pairs once the batch has ended
      NAME/                      a finished case: either complete or absent
        fused.nii.gz
        registered.nii.gz        the moving volume's own values on the fixed volume's grid
        transform.tfm            from fixed to moving points, LPS mm; .h5 where it is deformable
        misalignment.nii.gz, misalignment-uncertainty.nii.gz, misalignment.png
                                 the estimated error of the registration, mm, where requested
        case.json                the sidecar
      failed/NAME.json           a case that failed, and the reason; removed once the case is done

The results of a BIDS data set are laid out as BIDS derivatives: ``sub-01[/ses-01]/DATATYPE/`` holds
``..._space-T1w_desc-fused_pet.nii.gz``, ``..._space-T1w_desc-registered_pet.nii.gz``,
``..._from-pet_to-T1w_mode-image_xfm.tfm``, and a JSON file beside each. That of the fused volume is the sidecar; it is
put in place last, and a case without it is not done.

The sidecar is one JSON object. All entries but ``run`` depend only on the inputs and the settings:

``format``, ``format_version``
    ``"csafusion-case"`` and 1.
``name``
    the name of the case.
``inputs``
    by role (``fixed``, ``moving`` and, where given, ``region``, ``transform``, ``mask``, ``moving_mask``, ``weights``):
    ``path``, absolute; ``sha256``, for a folder that of its files' names and checksums; ``bytes``; ``modified_ns``.
``outputs``
    by role (``fused``, ``registered``, ``transform`` and, where requested, ``misalignment``,
    ``misalignment_uncertainty``, ``misalignment_picture``): ``file``, relative to the sidecar's folder, and ``sha256``.
``settings``
    the requested ones, as :meth:`CSAFusionLib.fusion.settings.FusionSettings.to_dict` gives them. Beside them,
    ``volume`` (which of several), ``orientation`` (which places NIfTI volumes) and, where a map was requested,
    ``misalignment`` (true).
``notice``, ``versions``, ``weights``, ``device``, ``fixed``, ``moving``, ``registration``, ``warnings``
    the provenance of a fusion: ``registration`` holds ``method``, ``model``, ``metric`` (the figures), ``verdict``
    (``level`` good, doubtful or bad, and ``reason``; or null), the ``matrix_lps_mm`` of a linear transform, and, where
    requested, ``masks`` and ``misalignment`` (``sentence``, ``within_mm``, ``known_share``, ``regions``).
``run``
    what differs from run to run: ``command``, ``started`` (UTC, ISO 8601), ``seconds`` (``total``, ``registration``),
    ``cpu_seconds`` and ``peak_mib`` (the worker's peak memory so far; null where the system does not report it).

BIDS sidecars also hold ``Description``, ``Sources``, ``SpatialReference`` and ``Resolution``.

The record of a failed case holds ``format`` ``"csafusion-failed-case"``, ``format_version``, ``name``, ``inputs`` (as
far as they could be read), ``settings``, ``volume``, ``orientation``, ``sentence`` and ``run``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from CSAFusionLib import checks
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import atomic_write, content_writer
from CSAFusionLib.text import printable

CASE_FORMAT, FAILED_FORMAT, FORMAT_VERSION = "csafusion-case", "csafusion-failed-case", 1
SIDECAR = "case.json"
SUMMARY = "summary.tsv"
FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """A case that has ended, as recorded on disk.

    file: its sidecar, or the record of its failure.
    values: its contents.
    """

    file: Path
    values: dict[str, Any]

    @property
    def name(self) -> str:
        """The case's name."""
        return str(self.values["name"])

    @property
    def failed(self) -> bool:
        """Whether it has failed."""
        return bool(self.values["format"] == FAILED_FORMAT)

    @property
    def verdict(self) -> dict[str, str] | None:
        """``level`` and ``reason`` of the registration's verdict; None for a failed case or where there is none."""
        return None if self.failed else self.values["registration"]["verdict"]

    @property
    def sentence(self) -> str:
        """Why it failed; empty for a case that is done."""
        return str(self.values.get("sentence", ""))

    def output(self, role: str) -> Path:
        """The file of an output: ``fused``, ``registered`` or ``transform``."""
        return self.file.parent / self.values["outputs"][role]["file"]

    def input(self, role: str) -> Path:
        """The path of an input when the case was done."""
        return Path(self.values["inputs"][role]["path"])


def read_record(file: Path) -> Record | None:
    """The record in a file, or None for a file that is missing or holds no record.

    Raises InputError for a record of a later version, or a damaged one.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or values.get("format") not in (CASE_FORMAT, FAILED_FORMAT):
        return None
    if values.get("format_version") != FORMAT_VERSION:
        raise InputError(f"'{file}' was written by a later version; update CSAFusion.")
    _check(values, file)
    return Record(file, values)


def read_records(out: Path) -> list[Record]:
    """All cases of a batch that have ended, sorted by name: those done, then those that failed.

    Raises InputError when the folder holds none, or as :func:`read_record` does.
    """
    found = [record for record in map(read_record, sorted(_files(out))) if record is not None]
    if not found:
        raise InputError(f"'{out}' holds no case of a batch; give the folder that csafusion batch wrote to.")
    return sorted(found, key=lambda record: (record.failed, record.name))


def _files(out: Path) -> Iterator[Path]:
    yield from out.glob(f"*/{SIDECAR}")
    yield from out.glob(f"{FAILED}/*.json")
    for subject in out.glob("sub-*"):
        yield from subject.rglob("*_desc-fused_*.json")


def _check(values: dict[str, Any], file: Path) -> None:
    expected: dict[str, type] = {"name": str, "inputs": dict, "settings": dict, "run": dict}
    expected |= {"sentence": str} if values["format"] == FAILED_FORMAT else {"outputs": dict, "registration": dict}
    for key, kind in expected.items():
        if not isinstance(values.get(key), kind):
            raise InputError(
                f"'{file}' is damaged: its '{key}' is {checks.shown(values.get(key))}; remove it and run the batch "
                f"again."
            )
    if values["format"] == CASE_FORMAT and "verdict" not in values["registration"]:
        raise InputError(f"'{file}' is damaged: it has no verdict; remove it and run the batch again.")


COLUMNS = (
    "name", "status", "verdict", "reason", "fixed", "moving", "fixed_modality", "moving_modality", "method", "model",
    "moved_mm", "rotation_degrees", "misalignment_mm", "misalignment", "warnings", "record",
)  # fmt: skip
NOTHING = "n/a"
"""The text of an empty cell, as in BIDS."""


class Summary:
    """The summary of a batch while it runs, used in a ``with`` block.

    It contains no times, so that an interrupted batch and an uninterrupted one end with the same bytes.

    Rows are appended, and sorted once at the end: a row on the disk takes no memory.

    Args:
        file: its path.
        names: the names of the cases, in order.
        ended: the cases that had ended before, which are iterated over once, one at a time.
    """

    def __init__(self, file: Path, names: Iterable[str], ended: Iterable[Record]) -> None:
        self._file = file
        self._order = {name: place for place, name in enumerate(names)}
        self._before = {record.name: self._row(record) for record in ended}

    def __enter__(self) -> Summary:
        self._write(self._before)
        self._before = {}
        self._stream = self._file.open("a+", encoding="utf-8", newline="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Read from the file that was written, even if another file has taken its place meanwhile.
        self._stream.seek(0)
        rows = {row.split("\t", 1)[0]: row for row in self._stream.readlines()[1:]}
        self._stream.close()
        self._write(rows)

    def add(self, record: Record) -> None:
        """Add a case that has ended; it is on the disk when this returns."""
        self._stream.write(self._row(record))
        self._stream.flush()

    def _write(self, rows: Mapping[str, str]) -> None:
        """Write rows by the names of their cases, in order."""
        in_order = sorted(rows, key=lambda name: self._order.get(name, len(self._order)))
        text = _line(COLUMNS) + "".join(rows[name] for name in in_order)
        atomic_write({self._file: content_writer(text)})

    def _row(self, record: Record) -> str:
        return _line(_cells(record, self._file.parent))


def _cells(record: Record, out: Path) -> list[str]:
    values = record.values
    registration: Mapping[str, Any] = values.get("registration") or {}
    metric: Mapping[str, float] = registration.get("metric") or {}
    verdict = record.verdict or {}
    off: Mapping[str, Any] = registration.get("misalignment") or {}
    return [
        record.name,
        "failed" if record.failed else "done",
        verdict.get("level", ""),
        record.sentence or verdict.get("reason", ""),
        *(values["inputs"].get(role, {}).get("path", "") for role in ("fixed", "moving")),
        *((values.get(role) or {}).get("modality", "") for role in ("fixed", "moving")),
        (registration.get("method") or "").lower(),
        (registration.get("model") or "").lower(),
        *(f"{metric[name]:.2f}" if name in metric else "" for name in ("moved_mm", "rotation_degrees")),
        "" if off.get("within_mm") is None else f"{off['within_mm']:.2f}",
        off.get("sentence", ""),
        " | ".join(values.get("warnings", [])),
        Path(os.path.relpath(record.file, out)).as_posix(),
    ]


def _line(cells: Iterable[str]) -> str:
    """Cells as one line; a tab or a line end inside a cell, which would end it, is replaced."""
    return "\t".join(printable(cell.strip()) or NOTHING for cell in cells) + "\n"
