"""Run one case from its input files to its output files, as a worker does.

A case is written beside its place in the folder of its batch and then moved there, so that it is complete or absent.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from CSAFusionLib.batch.case import Case, Place
from CSAFusionLib.batch.layout import CASE_FORMAT, FAILED, FAILED_FORMAT, FORMAT_VERSION, Record, read_record
from CSAFusionLib.batch.resuming import describe_input
from CSAFusionLib.cli.options import read_inputs
from CSAFusionLib.cli.terminal import EXPECTED, sentence_for
from CSAFusionLib.errors import InputError
from CSAFusionLib.files.atomic_write import Writer, atomic_write, content_writer
from CSAFusionLib.files.temporary import OwnedFolder
from CSAFusionLib.progress import undisturbed
from CSAFusionLib.text import to_json
from CSAFusionLib.volumes.input_path import SeveralVolumesError
from CSAFusionLib.volumes.reading import read_volume

if TYPE_CHECKING:
    from CSAFusionLib.cli.misalignment import MeasuredMisalignment
    from CSAFusionLib.fusion.result import FusionResult
    from CSAFusionLib.volumes.volume import Volume


STAGING = ".csafusion-"
"""The prefix of the folders in which cases are written."""


def place_case(
    case: Case,
    out: Path,
    result: FusionResult,
    sidecar: Callable[[], dict[str, Any]],
    off: MeasuredMisalignment | None = None,
) -> Record:
    """Write the files of a case and put them in place of its earlier files or of the record of an earlier failure.

    sidecar: returns the sidecar's contents except the outputs, once these are written.
    off: the estimated error of the registration, if it was measured.

    Raises InputError, and changes nothing, when the disk refuses a file or something that is not a case is in its
    place.
    """
    folder = out / case.place.folder
    _refuse_other_contents(folder, case.place)
    with OwnedFolder(out, prefix=STAGING) as staging:
        draft = staging / "case"
        draft.mkdir()
        names = names_of(case.place, result) | (
            {} if off is None else dict(zip(_MAP, case.place.misalignment, strict=True))
        )
        try:
            writers = {draft / names[role]: writer for role, writer in writers_of(result).items()}
            if off is not None:
                writers |= off.writers([draft / name for name in case.place.misalignment])
            atomic_write(writers)
            outputs = {role: {"file": name, "sha256": _sha256(draft / name)} for role, name in names.items()}
            values = sidecar()
            values = {**_until_inputs(values), "outputs": outputs, **values, **case.place.described}
            of_map = {} if off is None else case.place.map_sidecars
            texts = {**case.place.sidecars, **of_map, case.place.sidecar: values}
            atomic_write({draft / name: content_writer(to_json(held, indent=2) + "\n") for name, held in texts.items()})
        except InputError as error:
            raise InputError(str(error).replace(str(draft), str(folder))) from error
        _put(draft, folder, case.place, staging / "before")
    (out / FAILED / f"{case.name}.json").unlink(missing_ok=True)
    return Record(folder / case.place.sidecar, values)


def place_failure(record: Record) -> None:
    """Write the record of a failed case; InputError or OSError when the disk refuses it."""
    record.file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write({record.file: content_writer(to_json(record.values, indent=2) + "\n")})


_MAP = ("misalignment", "misalignment_uncertainty", "misalignment_picture")


def writers_of(result: FusionResult) -> dict[str, Writer]:
    """The functions that write the files of every case, by role."""
    from CSAFusionLib.registration.transforms import transform_writer
    from CSAFusionLib.volumes.writing import volume_writer

    return {
        "fused": volume_writer(result.fused),
        "registered": volume_writer(result.moving_on_grid),
        "transform": transform_writer(result.registration.transform),
    }


def names_of(place: Place, result: FusionResult) -> dict[str, str]:
    """The names of the files of every case, by role."""
    ending = ".tfm" if result.registration.transform.IsLinear() else ".h5"
    return {"fused": place.fused, "registered": place.registered, "transform": place.transform + ending}


def _until_inputs(values: dict[str, Any]) -> dict[str, Any]:
    """The entries up to the inputs, which the outputs are to follow."""
    first = list(values)[: list(values).index("inputs") + 1]
    return {key: values[key] for key in first}


def _refuse_other_contents(folder: Path, place: Place) -> None:
    is_used = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if place.whole and is_used and read_record(folder / place.sidecar) is None:
        raise InputError(f"'{folder}' already exists and is not a case of a batch; remove or rename it.")


def _put(draft: Path, folder: Path, place: Place, before: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with undisturbed():
        if place.whole:
            _exchange(draft, folder, before)
            return
        folder.mkdir(exist_ok=True)
        earlier = _files_of_earlier(folder, place)
        (folder / place.sidecar).unlink(missing_ok=True)
        for name in earlier - {file.name for file in draft.iterdir()}:
            (folder / name).unlink(missing_ok=True)
        for file in sorted(draft.iterdir(), key=lambda file: file.name == place.sidecar):
            os.replace(file, folder / file.name)


_TRIES = 5


def _exchange(draft: Path, folder: Path, before: Path) -> None:
    """Replace an earlier case.

    A worker whose command was killed may put the same case there in between; that one is replaced too.
    """
    for number in range(_TRIES):
        with suppress(FileNotFoundError):
            os.rename(folder, before.with_name(f"{before.name}-{number}"))
        try:
            os.rename(draft, folder)
        except OSError:
            if number == _TRIES - 1 or not folder.exists():
                raise
        else:
            return


def _files_of_earlier(folder: Path, place: Place) -> set[str]:
    """The names of the files that an earlier run of a case left among those of other cases."""
    try:
        earlier = read_record(folder / place.sidecar)
    except InputError:
        return set()
    named = {} if earlier is None or earlier.failed else earlier.values["outputs"]
    files = {Path(str(one["file"])).name for one in named.values()}
    return files | ({*place.map_sidecars} if place.misalignment[0] in files else set())


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def perform(case: Case, out: Path, command: str) -> Record:
    """Run a case, and put its folder, or the record of its failure, into the folder of the batch.

    Returns the record. Unexpected exceptions propagate.
    """
    run = Run(command)
    inputs: dict[str, Any] = {}
    try:
        if case.refusal is not None:
            raise InputError(case.refusal)
        inputs = _as_far_as_they_can_be_read(case)
        for role, path in case.inputs.items():
            if "sha256" not in inputs[role]:
                inputs[role] = describe_input(path)  # says why it cannot be read
        volumes, result = fuse_case(case)
        off = _measured(case, volumes, result)
        return place_case(case, out, result, lambda: _sidecar(case, inputs, result, run), off)
    except EXPECTED as error:
        sentence = sentence_for(error)
        if sentence is None:
            raise
        if isinstance(error, SeveralVolumesError):
            sentence = f"{sentence.removesuffix('.')}, or for this case alone in a column 'volume' of the table."
        return record_failure(case, out, sentence, run, inputs)


def record_failure(case: Case, out: Path, sentence: str, run: Run, inputs: dict[str, Any] | None = None) -> Record:
    """Return the record of a failed case, and put it into the folder of the batch if the disk allows it."""
    if inputs is None:
        inputs = _as_far_as_they_can_be_read(case)
    values = {
        "format": FAILED_FORMAT,
        "format_version": FORMAT_VERSION,
        "name": case.name,
        "inputs": inputs,
        **case.choices,
        "sentence": sentence,
        "run": run.described(None),
    }
    record = Record(out / FAILED / f"{case.name}.json", values)
    # A full disk may be the reason for the failure.
    with suppress(InputError, OSError):
        place_failure(record)
    return record


class Run:
    """What differs from run to run: when a case was done, by which command, and how much time and memory it took."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._started = datetime.now(timezone.utc)
        self._clock = time.perf_counter()
        self._cpu = time.process_time()

    def described(self, registration: float | None) -> dict[str, Any]:
        """The entry of the sidecar. registration: its duration in seconds, if there was one."""
        return {
            "command": self._command,
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": {"total": round(time.perf_counter() - self._clock, 3), "registration": registration},
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
            "peak_mib": _peak_mib(),
        }


def fuse_case(case: Case) -> tuple[tuple[Volume, Volume], FusionResult]:
    """Read and fuse; returns the fixed and the moving volume, and the result."""
    from CSAFusionLib.cli.options import MaskOptions, TransformOptions
    from CSAFusionLib.fusion.output_grid import OutputGrid
    from CSAFusionLib.fusion.pipeline import Alignment, fuse_on_grid
    from CSAFusionLib.geometry.grid import region_of
    from CSAFusionLib.registration.engines.brainsfit import use_executable

    use_executable(case.brainsfit)
    volumes = read_inputs(case.fixed, case.moving, case.volume, orientation=case.orientation)
    choice = TransformOptions().choice([case.transform] if case.transform else None)
    masks = MaskOptions(case.mask, case.moving_mask).read(volumes, case.orientation)
    given = None if choice is None else choice.read(*volumes, (case.fixed, case.moving))
    region = None if case.region is None else read_volume(case.region, orientation=case.orientation)
    result = fuse_on_grid(
        volumes,
        case.settings,
        grid=OutputGrid(),
        alignment=Alignment(given=given, masks=masks),
        region=None if region is None else region_of(region, volumes[0]),
    )
    return volumes, result


def _measured(case: Case, volumes: tuple[Volume, Volume], result: FusionResult) -> MeasuredMisalignment | None:
    """Estimate the error of the registration and add it to the provenance; None where it is not requested."""
    if not case.misalignment:
        return None
    from CSAFusionLib.cli.misalignment import MeasuredMisalignment
    from CSAFusionLib.progress import silent

    off = MeasuredMisalignment(*volumes, result.registration.transform, silent)
    result.provenance["registration"]["misalignment"] = off.describe()
    return off


def _sidecar(case: Case, inputs: dict[str, Any], result: FusionResult, run: Run) -> dict[str, Any]:
    provenance = dict(result.provenance)
    registration = {key: value for key, value in provenance["registration"].items() if key != "seconds"}
    return {
        "format": CASE_FORMAT,
        "format_version": FORMAT_VERSION,
        "name": case.name,
        "inputs": inputs,
        **provenance,
        **case.choices,
        "registration": registration,
        "run": run.described(provenance["registration"]["seconds"]),
    }


def _as_far_as_they_can_be_read(case: Case) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for role, path in case.inputs.items():
        found[role] = {"path": str(path)}
        with suppress(InputError, OSError):
            found[role] = describe_input(path)
    return found


def _peak_mib() -> int | None:
    """The most memory this process has held, in MiB."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))
